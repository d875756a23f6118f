import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { asRid } from '@koi-mcp/protocol'
import { CommandProcess } from '../process/command-process.ts'
import type { SeedCommands } from './seed-store.ts'
import type { Server, Subject } from './subject.ts'

type App = 'coordinator' | 'producer' | 'mcp-gateway'

/** The last line that a service writes before it serves. */
interface ReadyLine {
  readonly msg: 'ready'
  readonly url: string
  readonly koi_net_url: string
  readonly node_rid: string
  readonly mcp_url?: string
}

export interface OurServer extends Server {
  /** Of the service, without the path of KOI-net. */
  readonly serviceUrl: string
  readonly mcpUrl: string | undefined
}

export interface ServiceOptions {
  readonly app: App
  readonly state: string
  readonly firstContact?: string | undefined
  /** Folder for a CPU profile, written when the service stops. */
  readonly profile?: string | undefined
  /** More of its configuration. */
  readonly env?: NodeJS.ProcessEnv | undefined
}

const ROOT = join(import.meta.dirname, '../..')

/** Starts a built service as an operator would: `durability: full`, logs of level `info` as JSON, into a pipe. */
export async function startService({ app, state, firstContact, profile, env }: ServiceOptions): Promise<OurServer> {
  const main = join(ROOT, 'apps', app, 'dist/main.js')
  if (!existsSync(main)) throw new Error(`${main} is missing: run "npm run build" first`)
  await mkdir(state, { recursive: true })
  const since = performance.now()
  const args = profile === undefined ? [main] : ['--cpu-prof', `--cpu-prof-dir=${profile}`, main]
  const child = spawn(process.execPath, args, {
    env: {
      PATH: process.env['PATH'],
      KOI_MCP_NODE__PORT: '0',
      KOI_MCP_NODE__PRIVATE_KEY_PASSWORD: 'bench',
      KOI_MCP_PERSISTENCE__STORAGE_PATH: state,
      KOI_MCP_PERSISTENCE__DURABILITY: 'full',
      KOI_MCP_LOGGING__FORMAT: 'json',
      ...(firstContact === undefined ? {} : { KOI_MCP_NETWORK__FIRST_CONTACT: firstContact }),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ready = await readyLine(child, app)
  return {
    url: ready.koi_net_url,
    rid: asRid(ready.node_rid),
    pid: child.pid ?? 0,
    readyMs: performance.now() - since,
    serviceUrl: ready.url,
    mcpUrl: ready.mcp_url,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** Ours: the coordinator, which takes and announces what comes, and keeps a registry of it. */
export const ours = (profile?: string): Subject => ({
  name: 'ours',
  start: async (state, { seed = 0 } = {}) => {
    if (seed > 0) {
      const seeder = new CommandProcess<SeedCommands>(join(import.meta.dirname, 'seed-store.ts'))
      await seeder.ask('seed', { state, bundles: seed })
      await seeder.stop()
    }
    return startService({ app: 'coordinator', state, profile })
  },
})

async function readyLine(child: ChildProcess, app: App): Promise<ReadyLine> {
  const last: string[] = []
  const { promise, resolve, reject } = Promise.withResolvers<ReadyLine>()
  const read = (line: string): void => {
    if (last.push(line) > 10) last.shift()
    if (!line.includes('"msg":"ready"')) return
    resolve(JSON.parse(line) as ReadyLine)
  }
  for (const stream of [child.stdout, child.stderr])
    if (stream !== null) createInterface({ input: stream }).on('line', read)
  child.once('exit', (code) => reject(new Error(`the ${app} ended (${code}):\n${last.join('\n')}`)))
  return promise
}
