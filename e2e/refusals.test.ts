import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { koiMcp, Network, place } from './koi-mcp.ts'

describe('koi-mcp up refuses with one line and the fix', () => {
  test('a busy port', async () => {
    const at = await place()
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    onTestFinished(() => void taken.close())
    const { port } = taken.address() as AddressInfo
    const { code, out, err } = await koiMcp([
      'up',
      '--json',
      '--data',
      at.data,
      '--state',
      at.state,
      '--port',
      String(port),
    ])
    expect([code, out]).toEqual([1, []])
    expect(err.at(-1)).toBe(
      `koi-mcp: Port ${port}, for the coordinator, is in use by another program. Choose three others with --port N (the first of them), or --port 0 for any that are free.`,
    )
  })

  test('a missing data folder, and a file in its place', async () => {
    const at = await place()
    const missing = join(at.folder, 'none')
    expect(await koiMcp(['up', '--data', missing, '--state', at.state])).toEqual({
      code: 1,
      out: [],
      err: [`koi-mcp: The data folder ${missing} does not exist. Name a folder that holds data files: --data DIR.`],
    })
    const file = join(at.folder, 'a.csv')
    await writeFile(file, 'a\n1\n')
    expect(await koiMcp(['up', '--data', file, '--state', at.state])).toEqual({
      code: 1,
      out: [],
      err: [`koi-mcp: The data folder ${file} is a file. Name a folder that holds data files: --data DIR.`],
    })
  })

  test('a state folder that another network uses', async () => {
    const at = await place()
    const network = await Network.up(at)
    const { code, err } = await koiMcp(['up', '--data', at.data, '--state', at.state, '--port', '0'])
    expect(code).toBe(1)
    expect(err).toEqual([
      `koi-mcp: The state folder ${at.state} is in use by process ${network.command.pid} ("koi-mcp up", at ${network.service('consumer').url}). Stop that one, or choose another folder with --state DIR.`,
    ])
  })

  test('a wrong password of the keys', async () => {
    const at = await place()
    const right = { KOI_MCP_NODE__PRIVATE_KEY_PASSWORD: 'the right one' }
    const network = await Network.up(at, { env: right })
    network.command.process.kill('SIGINT')
    await network.command.exited
    for (const password of ['a wrong one', undefined]) {
      const env = { KOI_MCP_NODE__PRIVATE_KEY_PASSWORD: password }
      const { code, err } = await koiMcp(['up', '--json', '--data', at.data, '--state', at.state, '--port', '0'], {
        env,
      })
      expect(code).toBe(1)
      expect(err.at(-1)).toMatch(/^koi-mcp: The coordinator could not start: .*password/u)
      expect(err.join('\n')).not.toContain('the right one')
    }
    const again = await Network.up(at, { env: right })
    expect(again.services.map(({ node_rid }) => node_rid)).toEqual(network.services.map(({ node_rid }) => node_rid))
  })

  test('a node that is not there, a folder that is no backup, and a place that is taken', async () => {
    const at = await place()
    expect(await koiMcp(['backup', 'b', '--state', at.state], { cwd: at.folder })).toEqual({
      code: 1,
      out: [],
      err: [
        `koi-mcp: No node has its state in ${at.state}. Name the state folder of a network with --state DIR, or that of a single node with --storage DIR.`,
      ],
    })
    const network = await Network.up(at)
    const which = 'Name one with --name: coordinator, mcp-gateway, producer.'
    expect((await koiMcp(['backup', 'b', '--state', at.state])).err).toEqual([`koi-mcp: Which node? ${which}`])
    expect((await koiMcp(['backup', 'b', '--name', 'x', '--state', at.state])).err).toEqual([
      `koi-mcp: ${at.state} holds no node x. ${which}`,
    ])
    expect((await koiMcp(['backup', at.data, '--name', 'coordinator', '--state', at.state])).code).toBe(0)
    expect(await koiMcp(['backup', at.data, '--name', 'coordinator', '--state', at.state])).toEqual({
      code: 1,
      out: [],
      err: [`koi-mcp: ${at.data} is there already: a backup overwrites nothing. Name a place where nothing is`],
    })
    expect((await koiMcp(['restore', at.state])).err).toEqual([
      expect.stringMatching(/^koi-mcp: .* is no backup: .*koi-mcp-backup\.json cannot be read/u),
    ])
    const { coordinator } = await network.pids(at)
    expect((await koiMcp(['restore', at.data, '--state', at.state, '--force'])).err).toEqual([
      `koi-mcp: The store ${at.state}/coordinator/knowledge.db is in use by process ${coordinator}: stop that one first, or give this node a state folder of its own`,
    ])
  })

  test('commands and options that do not exist, with the one that was meant', async () => {
    expect(await koiMcp(['serch', 'x'])).toEqual({
      code: 2,
      out: [],
      err: ["error: unknown command 'serch'", '(Did you mean search?)', 'Try --help.'],
    })
    expect((await koiMcp(['up', '--dta', 'x'])).err).toEqual([
      "error: unknown option '--dta'",
      '(Did you mean --data?)',
      'Try --help.',
    ])
    expect(await koiMcp(['rids', '--state', '/nowhere', '--url', 'http://127.0.0.1:1'])).toEqual({
      code: 1,
      out: [],
      err: [
        'koi-mcp: No service answers at http://127.0.0.1:1 (bad port). Start a network with "koi-mcp up", or name the address of a running one with --url URL.',
      ],
    })
  })
})
