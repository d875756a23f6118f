import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { nodeRid, publicKeyToDerBase64 } from '@koi-mcp/protocol'
import { Command, eventually, koiMcp, Network, place } from './koi-mcp.ts'

const status = async (url: string) =>
  (await (await fetch(`${url}/api/status`)).json()) as { node_rid: string; peers: { rid: string }[] }

describe('koi-mcp check', () => {
  test('introduces a node, publishes, reads over MCP, and leaves nothing behind', async () => {
    const network = await Network.up(await place())
    const [coordinator, producer] = [network.service('coordinator'), network.service('producer')]
    const args = ['--coordinator', coordinator.koi_net_url, '--producer', producer.url, '--mcp', network.mcpUrl.href]
    const { code, out, err } = await koiMcp(['check', ...args, '--coordinator-rid', coordinator.node_rid])
    expect({ code, err }).toEqual({ code: 0, err: [] })
    expect(out).toEqual([
      `ok handshake with ${coordinator.node_rid}`,
      expect.stringMatching(/^ok published orn:data-catalog\.dataset:check\/[0-9a-f-]{36}$/),
      `ok read over MCP at ${network.mcpUrl.href}`,
      'ok forgotten again',
    ])
    await eventually(async () =>
      (await status(coordinator.url)).peers.some(({ rid }) => rid.includes('check')) ? undefined : true,
    )
    expect((await koiMcp(['rids', '--url', producer.url, '--type', 'orn:data-catalog.dataset'])).out).toEqual([])
  })

  test('says what does not work', async () => {
    const network = await Network.up(await place())
    const [coordinator, producer] = [network.service('coordinator'), network.service('producer')]
    const check = (...args: string[]) =>
      koiMcp(['check', '--coordinator', coordinator.koi_net_url, '--timeout', '3', ...args])
    expect(await check('--coordinator-rid', producer.node_rid)).toMatchObject({
      code: 1,
      err: [`koi-mcp: ${coordinator.koi_net_url} is the node ${coordinator.node_rid}, not ${producer.node_rid}`],
    })
    const elsewhere = await check('--producer', producer.url, '--mcp', `${network.mcpUrl.href}/elsewhere`)
    expect([elsewhere.code, elsewhere.err.join()]).toEqual([1, expect.stringMatching(/elsewhere answered HTTP 404/)])
    const nobody = await koiMcp(['check', '--coordinator', 'http://127.0.0.1:1/koi-net'])
    expect([nobody.code, nobody.err.join()]).toEqual([
      1,
      expect.stringMatching(/^koi-mcp: No node answers at http:\/\/127\.0\.0\.1:1\/koi-net/),
    ])
    // What was published is forgotten, also when it could not be read.
    expect((await koiMcp(['rids', '--url', producer.url, '--type', 'orn:data-catalog.dataset'])).out).toEqual([])
  })

  test('is introduced to a node that deals with listed ones by the key of its own, listed for no types', async () => {
    const at = await place()
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const key = join(at.folder, 'check.pem')
    // As Helm's templates make it.
    await writeFile(key, privateKey.export({ type: 'sec1', format: 'pem' }))
    const rid = nodeRid('check', publicKeyToDerBase64(publicKey))
    const command = new Command(['run', '--role', 'coordinator'], {
      env: {
        KOI_MCP_NODE__PORT: '0',
        KOI_MCP_PERSISTENCE__STORAGE_PATH: join(at.state, 'hub'),
        KOI_MCP_SECURITY__PEERS: 'listed',
        KOI_MCP_SECURITY__PEER_TYPES: JSON.stringify({ [rid]: [] }),
      },
    })
    const { koi_net_url } = await command.until(() =>
      command.out
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line))
        .find(({ msg }) => msg === 'ready'),
    )
    expect(await koiMcp(['check', '--coordinator', koi_net_url, '--key', key])).toMatchObject({ code: 0 })
    const stranger = await koiMcp(['check', '--coordinator', koi_net_url])
    expect([stranger.code, stranger.err.join()]).toEqual([
      1,
      expect.stringMatching(/HTTP 403: .*: it has to list orn:koi-net\.node:check\+/),
    ])
  })
})
