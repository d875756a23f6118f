import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { loadSettings, SettingsError } from '@koi-mcp/platform'
import { EXTRA_APIS, HELMS, render } from './chart.ts'
import type { Rendered } from './chart.ts'
import { IMAGE } from './image.ts'
import { EVERYTHING } from './values.ts'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))
const NODE = path('../../node_modules/node/bin/node')
const CLI = path('../../apps/cli/dist/main.js')
const SERVERS: Readonly<Record<string, string>> = {
  KOI_MCP_PERSISTENCE__POSTGRES_URL: 'postgres://koi:secret@localhost/koi',
  KOI_MCP_PERSISTENCE__REDIS_URL: 'redis://:secret@localhost',
  KOI_MCP_QUEUE__REDIS_URL: 'redis://:secret@localhost',
  KOI_MCP_SECURITY__PUBLISH_TOKEN: 'a token of more than 16 letters',
}
/** What the service says of what the chart makes for it. */
function problemsOf(chart: Rendered, object: string): readonly string[] {
  const env: Record<string, string> = { ...IMAGE }
  for (const name of Object.keys(chart.env(object))) if (name.startsWith('KOI_MCP_')) env[name] = SERVERS[name]!
  const text: string = chart.get('ConfigMap', object)['data']['config.json']
  try {
    loadSettings({ env, readFile: () => text, configFile: '/etc/koi-mcp/config.json', domains: ['data_catalog'] })
    return []
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    return error.problems.map((problem) => `${problem.path} ${problem.message}`)
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

describe.for(HELMS)('%s: what the chart configures', (name) => {
  test.for<[string, object]>([
    ['with no values', {}],
    ['with every value', EVERYTHING],
    ['in files', { nodeDefaults: { storage: 'file' } }],
    ['without BullMQ', { queue: 'store' }],
    ['open', { security: { peers: 'open' } }],
  ])('is what the services take: %s', async ([, values]) => {
    const chart = await render(name, values, { apis: EXTRA_APIS })
    const nodes = chart.objects
      .filter(({ kind }) => kind === 'Deployment')
      .map(({ metadata }) => metadata.name.replace('koi-koi-mcp-', ''))
    expect(nodes.length).toBeGreaterThan(2)
    expect(nodes.flatMap((node) => problemsOf(chart, node).map((problem) => `${node}: ${problem}`))).toEqual([])
  })
})

describe.skipIf(HELMS.length === 0)('a network of what the chart makes', () => {
  test('is one: the services take its keys and lists, meet, and pass its own check', async ({ onTestFinished }) => {
    const chart = await render(HELMS.at(-1)!, { nodeDefaults: { storage: 'file' }, metrics: { enabled: false } })
    const folder = mkdtempSync(join(tmpdir(), 'koi-chart-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
    const roles = { coordinator: 'coordinator', 'producer-example': 'producer', gateway: 'consumer' }
    const ports = new Map<string, number>()
    for (const object of Object.keys(roles)) ports.set(object, await freePort())
    /** Services have no names here, and mounts other places; nothing else is changed. */
    const local = (text: string) =>
      [...ports].reduce(
        (changed, [object, port]) =>
          changed.replaceAll(`koi-koi-mcp-${object}.knowledge.svc:9000`, `127.0.0.1:${port}`),
        text
          .replaceAll('/run/secrets/koi-mcp/identity', join(folder, 'NODE'))
          .replaceAll('"/data"', JSON.stringify(join(folder, 'data'))),
      )
    mkdirSync(join(folder, 'data'))
    for (const [file, text] of Object.entries<string>(chart.get('ConfigMap', 'examples')['data']))
      writeFileSync(join(folder, 'data', file), text)
    const key = (object: string) =>
      writeFileSync(join(folder, object, 'private.pem'), chart.secret(`${object}-identity`)['private.pem']!, {
        mode: 0o600,
      })
    const ready: string[] = []
    for (const [object, role] of Object.entries(roles)) {
      mkdirSync(join(folder, object))
      key(object)
      const config = join(folder, object, 'config.json')
      writeFileSync(config, local(chart.get('ConfigMap', object)['data']['config.json']).replaceAll('NODE', object))
      const child = spawn(NODE, [CLI, 'run', '--role', role, '--config', config], {
        env: {
          ...process.env,
          KOI_MCP_NODE__PORT: String(ports.get(object)),
          KOI_MCP_PERSISTENCE__STORAGE_PATH: join(folder, object, 'state'),
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      onTestFinished(async () => {
        if (child.exitCode !== null) return
        child.kill('SIGKILL')
        await once(child, 'exit')
      })
      const errors: string[] = []
      createInterface({ input: child.stderr }).on('line', (line) => errors.push(line))
      for await (const line of createInterface({ input: child.stdout })) {
        const { msg, node_rid } = JSON.parse(line) as { msg: string; node_rid: string }
        if (msg !== 'ready') continue
        ready.push(node_rid)
        break
      }
      expect(errors).toEqual([])
    }
    expect(ready).toEqual(Object.keys(roles).map((object) => chart.rid(object)))

    mkdirSync(join(folder, 'test'))
    key('test')
    const args: string[] = chart.get('Pod', 'test')['spec'].containers[0].args
    const { stdout } = await promisify(execFile)(NODE, [
      CLI,
      'check',
      ...args.map((arg) => local(arg).replaceAll('NODE', 'test')),
    ])
    expect(stdout.split('\n').map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      'ok handshake',
      'ok published',
      'ok read',
      'ok forgotten',
      '',
    ])
  })
})
