import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eventually, koiMcp, Network, place } from './koi-mcp.ts'

const DATASET = 'orn:data-catalog.dataset:data'
const NODE = 'orn:koi-net.node'

test('koi-mcp rotate-key makes a stopped node another one, which everybody follows, and nobody knows the old one', async () => {
  const at = await place()
  await writeFile(join(at.data, 'planets.csv'), 'name\nEarth\n')
  const network = await Network.up(at)
  await network.catalogued([`${DATASET}/planets.csv`])
  const old = network.service('producer').node_rid
  const rotate = () => koiMcp(['rotate-key', '--name', 'producer', '--state', at.state])
  expect(await rotate()).toEqual({
    code: 1,
    out: [],
    err: [`koi-mcp: The node in ${at.state}/producer runs. Stop it first: its next start is the new node.`],
  })
  network.command.process.kill('SIGINT')
  expect((await network.command.exited).code).toBe(0)

  const { code, out, err } = await rotate()
  expect([code, out]).toEqual([
    0,
    [expect.stringMatching(/^orn:koi-net\.node:producer\+\w{64} is now orn:koi-net\.node:producer\+\w{64}\.$/u)],
  ])
  expect(err[0]).toMatch(
    /^Its next start says goodbye to (coordinator, mcp-gateway|mcp-gateway, coordinator), and introduces/u,
  )
  expect(out[0]).toContain(old)

  await writeFile(join(at.data, 'planets.csv'), 'name\nEarth\nMars\n')
  await writeFile(join(at.data, 'moons.csv'), 'name\nMoon\n')
  const again = await Network.up(at)
  const { node_rid, url } = again.service('producer')
  expect(out[0]).toContain(`is now ${node_rid}.`)
  const nodes = again.services.map((service) => service.node_rid).sort()
  for (const role of ['coordinator', 'producer', 'consumer'] as const) {
    await eventually(async () => {
      const known = [...(await again.rids(NODE, role))].sort()
      return JSON.stringify(known) === JSON.stringify(nodes) ? true : undefined
    })
  }
  await again.catalogued([`${DATASET}/planets.csv`, `${DATASET}/moons.csv`])
  const contents = async (service: string): Promise<unknown> => {
    const response = await fetch(`${service}/api/bundle?rid=${encodeURIComponent(`${DATASET}/planets.csv`)}`)
    return ((await response.json()) as { contents: unknown }).contents
  }
  const wanted = JSON.stringify(await contents(url))
  expect(wanted).toContain('"rows":2')
  for (const role of ['coordinator', 'consumer'] as const) {
    await eventually(async () =>
      JSON.stringify(await contents(again.service(role).url)) === wanted ? true : undefined,
    )
  }
})
