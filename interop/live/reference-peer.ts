/** A real koi-net node as a child process (`peer.py`), told what to do in lines of JSON. */
import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { edgeRid } from '@koi-mcp/protocol'
import type { EdgeType, PayloadType, Rid } from '@koi-mcp/protocol'
import type { Activity, Edge, Ending, Side, Target } from './side.ts'

export type PeerKind = 'full' | 'curious' | 'partial' | 'coordinator'

/** A bundle as the reference prints it. */
interface PeerBundle {
  readonly manifest: { readonly timestamp: string; readonly sha256_hash: string }
  readonly contents: Readonly<Record<string, unknown>>
}

type Child = ChildProcessByStdio<Writable, Readable, null>
interface Started {
  readonly rid: Rid
  readonly base_url: string | null
}
interface Running extends Started {
  readonly child: Child
  readonly answers: AsyncIterator<string>
}

export class ReferencePeer implements Side {
  readonly maker = 'theirs'
  readonly #folder: string
  readonly #begin: () => Promise<Running>
  #running: Running
  #more = false

  private constructor(folder: string, begin: () => Promise<Running>, running: Running) {
    this.#folder = folder
    this.#begin = begin
    this.#running = running
  }

  static async start(python: string, kind: PeerKind, name: string, contact?: Target): Promise<ReferencePeer> {
    const folder = mkdtempSync(join(tmpdir(), 'koi-net-peer-'))
    const args = [join(import.meta.dirname, 'peer.py'), folder, kind, name, String(await freePort())]
    if (contact !== undefined) args.push(contact.url, contact.rid)
    const begin = () => run(python, args, folder)
    return new ReferencePeer(folder, begin, await begin())
  }

  get rid(): Rid {
    return this.#running.rid
  }
  get url(): string {
    return this.#running.base_url ?? ''
  }
  get isPartial(): boolean {
    return this.#running.base_url === null
  }

  async publish(rid: Rid, contents: object): Promise<void> {
    await this.#order('publish', { rid, contents })
  }
  async forget(rid: Rid): Promise<void> {
    await this.#order('forget', { rid })
  }
  async read(rid: Rid): Promise<PeerBundle | undefined> {
    return ((await this.#order('read', { rid })) as PeerBundle | null) ?? undefined
  }
  async contents(rid: Rid): Promise<unknown> {
    return (await this.read(rid))?.contents
  }
  async list(): Promise<readonly Rid[]> {
    return (await this.#order('list')) as Rid[]
  }
  async edge(source: Rid, target: Rid): Promise<Edge | undefined> {
    const bundle = await this.read(edgeRid(source, target))
    if (bundle === undefined) return undefined
    const { status, edge_type, rid_types } = bundle.contents as unknown as Omit<Edge, 'timestamp'>
    return { status, edge_type, rid_types, timestamp: bundle.manifest.timestamp }
  }
  /** Asks for all that these nodes have, and takes it in. */
  async catchUp(nodes: readonly Target[]): Promise<void> {
    await this.#order('catch_up', { nodes: nodes.map(({ rid }) => rid) })
    await this.idle()
  }
  async propose(provider: Rid, types: readonly string[], type: EdgeType): Promise<void> {
    await this.#order('propose', { provider, types, edge_type: type })
  }
  async changeProfile(): Promise<void> {
    this.#more = !this.#more
    await this.#order('provide', { types: ['orn:notes.note', ...(this.#more ? ['orn:koi-net.node'] : [])] })
  }
  async handshake({ rid }: Target): Promise<void> {
    await this.#order('handshake', { node: rid })
  }
  async leave({ rid }: Target): Promise<void> {
    await this.#order('leave', { node: rid })
  }
  async ask({ rid }: Target, type: PayloadType, request: object): Promise<Readonly<Record<string, unknown>>> {
    return (await this.#order('ask', { node: rid, type, request })) as Record<string, unknown>
  }
  async polling(on: boolean): Promise<void> {
    if (!this.isPartial) return
    await this.#order('polling', { on })
  }
  async idle(): Promise<void> {
    await this.#order('idle')
  }
  async activity(among: readonly Rid[]): Promise<Activity> {
    await this.check()
    return (await this.#order('activity', { among })) as Activity
  }

  async restart(ending: Ending): Promise<void> {
    await end(this.#running.child, ending)
    this.#running = await this.#begin()
  }
  async check(): Promise<void> {
    const state = await this.#order('running')
    if (state !== 'RUNNING') throw new Error(`the koi-net node is ${String(state)}\n${logOf(this.#folder)}`)
  }
  async stop(): Promise<void> {
    await end(this.#running.child, 'stopped')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #order(what: string, more: object = {}): Promise<unknown> {
    const { child, answers } = this.#running
    child.stdin.write(`${JSON.stringify({ do: what, ...more })}\n`)
    const line = await answers.next()
    if (line.done === true) throw new Error(`the koi-net node ended\n${logOf(this.#folder)}`)
    const answer = JSON.parse(line.value) as { ok: unknown; error?: string }
    if (answer.error !== undefined) throw new Error(`the koi-net node: ${answer.error}\n${logOf(this.#folder)}`)
    return answer.ok
  }
}

async function run(python: string, args: readonly string[], folder: string): Promise<Running> {
  const child = spawn(python, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  // A node that was killed takes no more orders.
  child.stdin.on('error', () => {})
  const answers = createInterface({ input: child.stdout, crlfDelay: Infinity })[Symbol.asyncIterator]()
  const first = await answers.next()
  const started = first.done === true ? { error: 'it ended' } : (JSON.parse(first.value) as Started | { error: string })
  if ('error' in started) throw new Error(`the koi-net node did not start: ${started.error}\n${logOf(folder)}`)
  return { ...started, child, answers }
}

async function end(child: Child, ending: Ending): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  if (ending === 'killed') child.kill('SIGKILL')
  else child.stdin.end()
  await ended
}

/** Outside of the range that calls are made from: a node that restarts finds its port free then, whatever is called meanwhile. */
const PORTS = { from: 10_000, to: 32_000 }

export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

function logOf(folder: string): string {
  try {
    return readFileSync(join(folder, 'stdout.txt'), 'utf8').slice(-3_000)
  } catch {
    return ''
  }
}
