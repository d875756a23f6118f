/** A real koi-net node as a child process (`peer.py`), told what to do in lines of JSON. */
import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { Rid } from '@koi-mcp/protocol'

export type PeerKind = 'full' | 'partial' | 'coordinator'

/** A bundle as the reference prints it. */
export interface PeerBundle {
  readonly manifest: Readonly<Record<string, unknown>>
  readonly contents: Readonly<Record<string, unknown>>
}

type Child = ChildProcessByStdio<Writable, Readable, null>

interface Started {
  readonly rid: Rid
  readonly base_url: string | null
}

export class ReferencePeer {
  readonly rid: Rid
  readonly url: string
  readonly #child: Child
  readonly #answers: AsyncIterator<string>
  readonly #folder: string

  private constructor(child: Child, answers: AsyncIterator<string>, folder: string, { rid, base_url }: Started) {
    this.#child = child
    this.#answers = answers
    this.#folder = folder
    this.rid = rid
    this.url = base_url ?? ''
  }

  static async start(
    python: string,
    kind: PeerKind,
    name: string,
    contact?: { readonly url: string; readonly rid: Rid },
  ): Promise<ReferencePeer> {
    const folder = mkdtempSync(join(tmpdir(), 'koi-net-peer-'))
    const args = [join(import.meta.dirname, 'peer.py'), folder, kind, name, String(await freePort())]
    if (contact !== undefined) args.push(contact.url, contact.rid)
    const child = spawn(python, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const answers = createInterface({ input: child.stdout, crlfDelay: Infinity })[Symbol.asyncIterator]()
    const first = await answers.next()
    const started =
      first.done === true ? { error: 'it ended' } : (JSON.parse(first.value) as Started | { error: string })
    if ('error' in started) throw new Error(`${name} did not start: ${started.error}\n${logOf(folder)}`)
    return new ReferencePeer(child, answers, folder, started)
  }

  async publish(rid: Rid, contents: object): Promise<void> {
    await this.#ask({ do: 'publish', rid, contents })
  }
  async forget(rid: Rid): Promise<void> {
    await this.#ask({ do: 'forget', rid })
  }
  async read(rid: Rid): Promise<PeerBundle | null> {
    return (await this.#ask({ do: 'read', rid })) as PeerBundle | null
  }
  async list(): Promise<readonly Rid[]> {
    return (await this.#ask({ do: 'list' })) as Rid[]
  }
  /** Every change of its cache: event type, RID and where it came from (null: itself). */
  async seen(): Promise<readonly (readonly [string, Rid, Rid | null])[]> {
    return (await this.#ask({ do: 'seen' })) as [string, Rid, Rid | null][]
  }
  async fetchRids(node: Rid, types: readonly string[]): Promise<readonly Rid[]> {
    return (await this.#ask({ do: 'fetch_rids', node, types })) as Rid[]
  }
  async fetchManifests(node: Rid, rids: readonly Rid[]): Promise<Readonly<Record<string, unknown>>> {
    return (await this.#ask({ do: 'fetch_manifests', node, rids })) as Record<string, unknown>
  }
  async fetchBundles(node: Rid, rids: readonly Rid[]): Promise<Readonly<Record<string, unknown>>> {
    return (await this.#ask({ do: 'fetch_bundles', node, rids })) as Record<string, unknown>
  }
  /** `RUNNING` while nothing has ended it. */
  async state(): Promise<string> {
    return (await this.#ask({ do: 'running' })) as string
  }

  async stop(): Promise<void> {
    const ended =
      this.#child.exitCode === null ? new Promise((resolve) => this.#child.once('exit', resolve)) : undefined
    this.#child.stdin.end()
    await ended
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #ask(order: object): Promise<unknown> {
    this.#child.stdin.write(`${JSON.stringify(order)}\n`)
    const line = await this.#answers.next()
    if (line.done === true) throw new Error(`the koi-net node ended\n${logOf(this.#folder)}`)
    const answer = JSON.parse(line.value) as { ok: unknown; error?: string }
    if (answer.error !== undefined) throw new Error(`the koi-net node: ${answer.error}\n${logOf(this.#folder)}`)
    return answer.ok
  }
}

/** The port manager of the reference takes the next one should somebody be quicker. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

function logOf(folder: string): string {
  try {
    return readFileSync(join(folder, 'stdout.txt'), 'utf8').slice(-3_000)
  } catch {
    return ''
  }
}
