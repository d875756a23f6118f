import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isAlive, Network, place, signalTo } from './koi-mcp.ts'

const FILES = 60
const fileName = (index: number): string => `table ${String(index).padStart(3, '0')}.csv`
const ridOf = (name: string): string => `orn:data-catalog.dataset:data/${name}`
const names = Array.from({ length: FILES }, (_, index) => fileName(index))

const withFiles = async () => {
  const at = await place()
  await Promise.all(names.map((name, index) => writeFile(join(at.data, name), `n,square\n${index},${index * index}\n`)))
  return at
}

const rids = (network: Network) => network.services.map(({ node_rid }) => node_rid)

describe('after kill -9', () => {
  test('of everything in the middle of cataloguing, the next start goes on as the same nodes, and forgets what went', async () => {
    const at = await withFiles()
    const network = await Network.up(at)
    await network.command.until(() => {
      const arrived = network.events.filter(
        ({ event, role, rid }) => event === 'new' && role === 'producer' && isDataset(rid),
      )
      return arrived.length >= 5 ? arrived : undefined
    })
    await network.command.killGroup()
    await rm(join(at.data, names[0]!))
    await writeFile(join(at.data, names[1]!), 'n,square\n1,1\n2,4\n')

    const again = await Network.up(at)
    expect(rids(again)).toEqual(rids(network))
    await again.catalogued(names.slice(1).map(ridOf))

    // A file that was known to everybody goes while the network is down.
    await again.command.killGroup()
    await rm(join(at.data, names[2]!))
    const third = await Network.up(at)
    expect(rids(third)).toEqual(rids(network))
    await third.catalogued(names.slice(3).concat(names[1]!).map(ridOf))
    await third.command.until(() =>
      third.events.find(
        ({ event, role, rid }) => event === 'forget' && role === 'consumer' && rid === ridOf(names[2]!),
      ),
    )
    third.command.process.kill('SIGTERM')
    expect((await third.command.exited).code).toBe(0)
  })

  test.each(['coordinator', 'producer', 'consumer'] as const)(
    'of the %s alone, everything stops with its last words, and the next start recovers',
    async (role) => {
      const at = await withFiles()
      const network = await Network.up(at)
      const pids = await network.pids(at)
      signalTo(pids[role], 'SIGKILL')
      expect(await network.command.exited).toEqual({ code: 1, signal: null })
      const app = role === 'consumer' ? 'mcp-gateway' : role
      expect(network.command.err.join('\n')).toContain(`The ${app} ended (killed by SIGKILL).`)
      expect(Object.values(pids).filter(isAlive)).toEqual([])
      const again = await Network.up(at)
      expect(rids(again)).toEqual(rids(network))
      await again.catalogued(names.map(ridOf))
    },
  )
})

const isDataset = (rid: unknown): boolean => typeof rid === 'string' && rid.startsWith('orn:data-catalog.dataset:')
