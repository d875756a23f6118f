import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Command, koiMcp, Network, place } from './koi-mcp.ts'

const PLANETS = 'orn:data-catalog.dataset:data/planets.csv'

test('koi-mcp rids, get, search and watch look into the network that runs with the state folder', async () => {
  const at = await place()
  await writeFile(join(at.data, 'planets.csv'), 'name,moons\nEarth,1\nMars,2\n')
  const network = await Network.up(at)
  await network.catalogued([PLANETS])
  const look = (...args: string[]) => koiMcp([...args, '--state', 'state'], { cwd: at.folder })

  expect(await look('rids', '--type', 'orn:data-catalog.dataset')).toEqual({ code: 0, out: [PLANETS], err: [] })
  const all = await look('rids', '--json')
  const known = all.out.map((line) => JSON.parse(line) as string)
  for (const rid of [PLANETS, ...network.services.map(({ node_rid }) => node_rid)]) expect(known).toContain(rid)

  const bundle = await look('get', PLANETS)
  expect(JSON.parse(bundle.out.join('\n'))).toMatchObject({ rid: PLANETS, contents: { format: 'csv', rows: 2 } })
  expect(bundle.out.length).toBeGreaterThan(10)
  expect(JSON.parse((await look('get', PLANETS, '--json')).out[0]!)).toEqual(JSON.parse(bundle.out.join('\n')))
  expect(await look('get', 'orn:data-catalog.dataset:none')).toEqual({
    code: 1,
    out: [],
    err: [
      'koi-mcp: Nothing is known of orn:data-catalog.dataset:none. "koi-mcp rids" lists what is, "koi-mcp search TEXT" searches it.',
    ],
  })

  const found = await look('search', 'planets', 'moo', '--type', 'orn:data-catalog.dataset')
  expect([found.code, found.out[0], found.err]).toEqual([0, PLANETS, ['1 of 1 found.']])
  expect((await look('search', 'unicorns')).err).toEqual(['Nothing found.'])
  expect((await look('rids', '--url', network.service('producer').url)).out).toContain(PLANETS)

  const watching = new Command(['watch', '--json', '--state', at.state])
  await watching.until(() => (watching.err.length > 0 ? true : undefined))
  await rm(join(at.data, 'planets.csv'))
  const gone = await watching.until(() => watching.out.find((line) => line.includes(PLANETS)))
  expect(JSON.parse(gone)).toMatchObject({ event: 'forget', rid: PLANETS, role: 'consumer' })
  watching.process.kill('SIGINT')
  expect(await watching.exited).toEqual({ code: 0, signal: null })

  network.command.process.kill('SIGINT')
  await network.command.exited
})
