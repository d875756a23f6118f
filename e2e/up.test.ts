import { rm, writeFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { eventually, isAlive, Network, place } from './koi-mcp.ts'
import { newerClient, olderClient } from './mcp-clients.ts'

const PLANETS = 'orn:data-catalog.dataset:data/planets.csv'
const rows = (text: string): unknown => (JSON.parse(text) as { rows: unknown }).rows

describe('koi-mcp up', () => {
  test('tells the addresses first, then one JSON line an event, and stops on Ctrl-C leaving nothing', async () => {
    const at = await place()
    await writeFile(join(at.data, 'planets.csv'), 'name,moons\nEarth,1\nMars,2\n')
    const network = await Network.up(at)
    expect(JSON.parse(network.command.out[0]!)).toEqual({
      event: 'ready',
      services: (['coordinator', 'producer', 'mcp-gateway'] as const).map((name) => ({
        role: name === 'mcp-gateway' ? 'consumer' : name,
        name,
        url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/u) as string,
        koi_net_url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/koi-net$/u) as string,
        node_rid: expect.stringMatching(new RegExp(`^orn:koi-net\\.node:${name}\\+[0-9a-f]{64}$`, 'u')) as string,
        ...(name === 'mcp-gateway' ? { mcp_url: expect.stringMatching(/\/mcp$/u) as string } : {}),
        pids: [expect.any(Number)],
      })),
    })
    await network.catalogued([PLANETS])
    const producer = network.service('producer').node_rid
    const arrival = await network.command.until(() =>
      network.events.find(({ role, rid }) => role === 'consumer' && rid === PLANETS),
    )
    expect(arrival).toMatchObject({ event: 'new', node: network.service('consumer').node_rid, peer: producer })
    expect(network.events.some(({ role, rid }) => role === 'producer' && rid === PLANETS)).toBe(true)

    const pids = Object.values(await network.pids(at))
    expect(pids.filter(isAlive)).toHaveLength(3)
    network.command.process.kill('SIGINT')
    expect(await network.command.exited).toEqual({ code: 0, signal: null })
    expect(pids.filter(isAlive)).toEqual([])
    await expect(stat(join(at.state, 'network.json'))).rejects.toThrow('ENOENT')
    for (const line of network.command.out) JSON.parse(line)
  })

  test.each([
    ['SDK 1.32', olderClient],
    ['client 2.4', newerClient],
  ])('%s lists and reads a dataset, and sees its file change and go', async (_name, connect) => {
    const at = await place()
    const file = join(at.data, 'planets.csv')
    await writeFile(file, 'name,moons\nEarth,1\nMars,2\n')
    const network = await Network.up(at)
    await network.catalogued([PLANETS])
    const client = await connect(network.mcpUrl)
    expect(await client.list()).toContain(PLANETS)
    expect(rows(await client.read(PLANETS))).toBe(2)
    expect(await client.call('search_knowledge', { query: 'planets' })).toMatchObject({
      results: expect.arrayContaining([expect.objectContaining({ rid: PLANETS })]) as unknown,
    })

    await client.subscribe(PLANETS)
    await writeFile(file, 'name,moons\nEarth,1\nMars,2\nJupiter,97\n')
    await eventually(() => (client.updates.includes(PLANETS) ? true : undefined))
    expect(rows(await client.read(PLANETS))).toBe(3)

    const told = client.updates.length
    await rm(file)
    await eventually(() => (client.updates.length > told ? true : undefined))
    expect(await client.list()).not.toContain(PLANETS)
    await expect(client.read(PLANETS)).rejects.toThrow()
  })

  test.each(['SIGTERM', 'SIGHUP'] as const)('%s to the whole process group ends it as Ctrl-C does', async (signal) => {
    const at = await place()
    const network = await Network.up(at)
    const pids = Object.values(await network.pids(at))
    process.kill(-network.command.pid, signal)
    expect(await network.command.exited).toEqual({ code: 0, signal: null })
    expect(pids.filter(isAlive)).toEqual([])
  })

  test('killed with -9, it takes its services with it, and the next start waits for them', async () => {
    const at = await place()
    const network = await Network.up(at)
    const pids = Object.values(await network.pids(at))
    network.command.process.kill('SIGKILL')
    const again = await Network.up(at)
    expect(pids.filter(isAlive)).toEqual([])
    expect(again.services.map(({ node_rid }) => node_rid)).toEqual(network.services.map(({ node_rid }) => node_rid))
  })
})
