import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Command, eventually, koiMcp, place } from './koi-mcp.ts'

const logged = (command: Command, message: string) =>
  command.until(() =>
    command.out
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, string>)
      .find(({ msg }) => msg === message),
  )

describe('koi-mcp run', () => {
  test('runs single roles with configuration files, which find each other', async () => {
    const at = await place()
    await mkdir(join(at.folder, 'files'))
    await writeFile(join(at.folder, 'files', 'a.csv'), 'n\n1\n')
    const coordinatorFile = join(at.folder, 'coordinator.yaml')
    await writeFile(coordinatorFile, `node:\n  port: 0\npersistence:\n  storage_path: ${at.state}/coordinator\n`)
    const coordinator = new Command(['run', '--role', 'coordinator', '--config', coordinatorFile])
    const { koi_net_url, url } = await logged(coordinator, 'ready')

    const producerFile = join(at.folder, 'producer.json')
    await writeFile(
      producerFile,
      JSON.stringify({
        node: { port: 0 },
        network: { first_contact: koi_net_url },
        persistence: { storage_path: `${at.state}/producer` },
        domains: { data_catalog: { config: { folder: join(at.folder, 'files') } } },
      }),
    )
    const producer = new Command(['run', '--role', 'producer', '--config', producerFile])
    const gateway = new Command(['run', '--role', 'mcp-gateway'], {
      env: {
        KOI_MCP_NODE__PORT: '0',
        KOI_MCP_NETWORK__FIRST_CONTACT: koi_net_url,
        KOI_MCP_PERSISTENCE__STORAGE_PATH: `${at.state}/gateway`,
      },
    })
    const gatewayReady = await logged(gateway, 'ready')
    await eventually(async () => {
      const { out } = await koiMcp(['rids', '--url', gatewayReady['url']!, '--type', 'orn:data-catalog.dataset'])
      return out.join() === 'orn:data-catalog.dataset:files/a.csv' ? true : undefined
    })
    expect((await koiMcp(['rids', '--url', url!])).code).toBe(0)
    for (const command of [gateway, producer, coordinator]) {
      command.process.kill('SIGTERM')
      expect(await command.exited).toEqual({ code: 0, signal: null })
    }
  })

  test('tells every problem of the configuration at once', async () => {
    const at = await place()
    const file = join(at.folder, 'bad.json')
    await writeFile(file, JSON.stringify({ node: { port: 'many' }, network: { frist_contact: 'x' } }))
    const { code, err } = await koiMcp(['run', '--role', 'producer', '--config', file])
    expect(code).toBe(1)
    expect(err.join('\n')).toContain('node.port')
    expect(err.join('\n')).toContain('did you mean first_contact?')
  })
})
