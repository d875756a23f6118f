import { Kept } from '../keeping/kept.ts'
import { givenUrls, serversOf } from '../backend.ts'
import type { Backend, ServerName, ServerUrls } from '../backend.ts'
import type { OwnServer } from './own-server.ts'
import { ownPostgres } from './postgres.ts'
import { ownRedis } from './redis.ts'
import type { ServerProcess } from './server-process.ts'

/** How long a server has to end, in milliseconds: it may have much to write. */
const STOP_WITHIN_MS = 10_000

export interface ServersOptions {
  readonly backend: Backend
  /** The state folder. */
  readonly state: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Told when the process of a server is another, or gone. */
  readonly onChange: () => void
  readonly say: (text: string) => void
  readonly warn: (title: string, text: string) => void
}

/** A server that is ours. */
interface RunningServer {
  /** Absent while it is being started again. */
  readonly pid?: number
  readonly url: string
}

export type RunningServers = Readonly<Partial<Record<ServerName, RunningServer>>>

/** The servers of a backend: those that the person names, and our own for the rest, which start again with the same data. */
export class Servers {
  readonly #options: ServersOptions
  readonly #own = new Map<ServerName, { readonly server: OwnServer; readonly kept: Kept<ServerProcess> }>()

  constructor(options: ServersOptions) {
    this.#options = options
  }

  /** Resolves when all of them answer. Whoever starts them calls `stop`, whatever happened. */
  async start(signal: AbortSignal): Promise<ServerUrls> {
    const { backend, env, say } = this.#options
    const given = givenUrls(env)
    const needed = serversOf(backend).filter((name) => given[name] === undefined)
    // Whether they can be had is known before any of them starts.
    const servers = await Promise.all(needed.map(async (name) => [name, await this.#prepare(name)] as const))
    if (servers.length > 0) say(`Starting ${servers.map(([, { title }]) => title).join(' and ')}…`)
    const starts = servers.map(([name, server]) => this.#keep(name, server).begin(signal))
    const [failed] = (await Promise.allSettled(starts)).filter(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
    return { ...given, ...Object.fromEntries(servers.map(([name, { url }]) => [name, url])) }
  }

  get running(): RunningServers {
    return Object.fromEntries(
      [...this.#own].map(([name, { server, kept }]) => {
        const pid = kept.current?.pid
        return [name, { ...(pid === undefined ? {} : { pid }), url: server.url }]
      }),
    )
  }

  get pids(): readonly number[] {
    return Object.values(this.running).flatMap(({ pid }) => pid ?? [])
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#own.values()].map(({ kept }) => kept.end()))
  }

  #prepare(name: ServerName): Promise<OwnServer> {
    const { state, env, say } = this.#options
    const path = env['PATH'] ?? ''
    if (name === 'redis') return ownRedis(state, path)
    return ownPostgres(state, path, () => say('Making a Postgres database in the state folder…'))
  }

  #keep(name: ServerName, server: OwnServer): Kept<ServerProcess> {
    const { onChange, warn } = this.#options
    const kept = new Kept<ServerProcess>({
      start: (signal) => server.start(signal),
      stop: (process) => process.stop(STOP_WITHIN_MS),
      onUp: onChange,
      onDown: onChange,
      warn: (text) => warn(server.title, text),
    })
    this.#own.set(name, { server, kept })
    return kept
  }
}
