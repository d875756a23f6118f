import { existsSync, readdirSync, statSync } from 'node:fs'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Command, koiMcp, Network, place, signalTo } from './koi-mcp.ts'

const NOTE = 'orn:notes.note'
const noteRid = (index: number): string => `${NOTE}:${index}`

const publish = async (network: Network, index: number, length: number): Promise<void> => {
  const response = await fetch(`${network.service('producer').url}/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ rid: noteRid(index), contents: { text: 'x'.repeat(length) } }),
  })
  expect(response.status).toBe(200)
}

const ridsOf = ({ services }: Network) => services.map(({ node_rid }) => node_rid)

describe('koi-mcp backup and restore', () => {
  test('carry a node that runs, and is published to meanwhile, over the loss of its state folder', async () => {
    const at = await place()
    await writeFile(join(at.data, 'planets.csv'), 'name\nEarth\n')
    const network = await Network.up(at)
    const PLANETS = 'orn:data-catalog.dataset:data/planets.csv'
    await network.catalogued([PLANETS])
    for (let index = 0; index < 40; index++) await publish(network, index, 50_000)
    let published = 40
    let enough = false
    const load = (async () => {
      while (!enough) await publish(network, published++, 5_000)
    })()
    const before = published - 1
    const target = join(at.folder, 'backup')
    const made = await koiMcp(['backup', '--name', 'producer', '--state', 'state', 'backup'], { cwd: at.folder })
    enough = true
    await load
    const { node_rid } = network.service('producer')
    expect([made.code, made.out]).toEqual([
      0,
      [
        expect.stringMatching(
          new RegExp(`^${target} holds ${node_rid.replace('+', '\\+')} as of .*Z \\(.* MB\\)\\.$`, 'u'),
        ),
      ],
    ])
    expect(made.err).toEqual([
      `The private key is in it: keep it as you keep the key. To put it back: koi-mcp restore ${target}`,
    ])
    expect(published).toBeGreaterThan(before + 1)

    await network.command.killGroup()
    await rm(join(at.state, 'producer'), { recursive: true })
    const restored = await koiMcp(['restore', target, '--state', at.state])
    expect([restored.code, restored.out.length]).toEqual([0, 1])
    expect(restored.err[0]).toContain('must not run any more')

    await writeFile(join(at.data, 'moons.csv'), 'name\nMoon\n')
    const again = await Network.up(at)
    expect(ridsOf(again)).toEqual(ridsOf(network))
    const held = new Set(await again.rids(NOTE, 'producer'))
    for (let index = 0; index < before; index++) expect(held).toContain(noteRid(index))
    // The gateway, which was not restored, hears on from the producer that was.
    await again.catalogued([PLANETS, 'orn:data-catalog.dataset:data/moons.csv'])
  })

  test('leave nothing that passes for a backup when either side is killed on the way', async () => {
    const at = await place()
    const network = await Network.up(at)
    for (let index = 0; index < 150; index++) await publish(network, index, 200_000)
    const pids = await network.pids(at)
    const target = join(at.folder, 'backup')
    /** The copy of the store is on its way: for 30 MB it takes a tenth of a second. */
    const begun = async () => {
      while (!partials(at.folder).some((name) => sizeOf(join(at.folder, name, 'knowledge.db')) > 0))
        await setImmediate()
    }

    const killed = new Command(['backup', '--name', 'producer', '--state', at.state, target])
    await begun()
    await killed.killGroup()
    expect(existsSync(target)).toBe(false)
    const [left] = partials(at.folder)
    expect((await koiMcp(['restore', join(at.folder, left!), '--storage', join(at.folder, 'r')])).code).toBe(1)
    await rm(join(at.folder, left!), { recursive: true })

    const orphaned = new Command(['backup', '--name', 'producer', '--state', at.state, target])
    await begun()
    signalTo(pids.producer, 'SIGKILL')
    expect((await orphaned.exited).code).toBe(1)
    expect(orphaned.err.at(-1)).toMatch(/^koi-mcp: No service answers at /u)
    expect(await readdir(at.folder)).not.toContain('backup')
    expect(partials(at.folder)).toEqual([])
    await network.command.exited

    // Nothing was lost on the way: the stopped node is copied as well, by the command itself.
    const made = await koiMcp(['backup', '--name', 'producer', '--state', at.state, target])
    expect([made.code, made.err.length]).toEqual([0, 1])
    expect((await koiMcp(['restore', target, '--storage', join(at.folder, 'r')])).code).toBe(0)
    expect(await readdir(join(at.folder, 'r'))).toEqual(expect.arrayContaining(['knowledge.db', 'private.pem']))
  })
})

const partials = (folder: string): string[] => readdirSync(folder).filter((name) => name.startsWith('backup.partial-'))
const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0
