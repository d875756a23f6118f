import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, existsSync, readFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { Rid } from '@koi-mcp/protocol'
import { seedBundle } from '../load/knowledge.ts'
import type { Target } from '../load/load-commands.ts'
import type { Server, Subject } from './subject.ts'

/** The Python that has koi-net: `KOI_NET_PYTHON`, else the one that `.ci/run` makes; why there is none, else. */
export function findReference(): { readonly python: string; readonly version: string } | { readonly missing: string } {
  const python = process.env['KOI_NET_PYTHON'] || join(import.meta.dirname, '../../.venv-koi-net/bin/python')
  const advice = 'set KOI_NET_PYTHON to a Python that has interop/requirements.txt'
  if (!existsSync(python)) return { missing: `there is no ${python}; ${advice}` }
  const code = 'import koi_net_coordinator_node, importlib.metadata as m; print(m.version("koi-net"))'
  const { status, stdout, stderr } = spawnSync(python, ['-c', code], { encoding: 'utf8' })
  if (status === 0) return { python, version: stdout.trim() }
  return { missing: `${python} cannot import koi-net (${stderr.trim().split('\n').at(-1)}); ${advice}` }
}

type Child = ChildProcessByStdio<Writable, Readable, null>

/** A real koi-net node as it is installed, in a process of its own. */
export class ReferenceNode implements Server {
  readonly rid: Rid
  readonly url: string
  readonly pid: number
  readonly readyMs: number
  readonly #child: Child
  readonly #answers: AsyncIterator<string>

  private constructor(child: Child, answers: AsyncIterator<string>, { rid, url }: Target, readyMs: number) {
    this.#child = child
    this.#answers = answers
    this.rid = rid
    this.url = url
    this.pid = child.pid ?? 0
    this.readyMs = readyMs
  }

  static async start(
    python: string,
    folder: string,
    { kind, name, seed = 0, contact }: { kind: 'full' | 'coordinator'; name: string; seed?: number; contact?: Target },
  ): Promise<ReferenceNode> {
    await mkdir(folder, { recursive: true })
    const seedFile = join(folder, 'seed.ndjson')
    if (seed > 0) await writeSeed(seedFile, seed)
    const script = join(import.meta.dirname, 'reference-node.py')
    const args = [script, folder, kind, name, String(await freePort()), seed > 0 ? seedFile : '-']
    if (contact !== undefined) args.push(contact.url, contact.rid)
    const spawned = performance.now()
    const child = spawn(python, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const answers = createInterface({ input: child.stdout, crlfDelay: Infinity })[Symbol.asyncIterator]()
    const next = async (): Promise<Record<string, unknown>> => {
      const line = await answers.next()
      const told = line.done === true ? { error: 'it ended' } : (JSON.parse(line.value) as Record<string, unknown>)
      if (told['error'] !== undefined) throw new Error(`koi-net: ${JSON.stringify(told['error'])}\n${logOf(folder)}`)
      return told
    }
    await next()
    await rm(seedFile, { force: true })
    // Filling is no part of the start.
    const since = seed > 0 ? performance.now() : spawned
    child.stdin.write('start\n')
    const target = (await next()) as unknown as Target
    return new ReferenceNode(child, answers, target, performance.now() - since)
  }

  async ask(order: object): Promise<unknown> {
    this.#child.stdin.write(`${JSON.stringify(order)}\n`)
    const line = await this.#answers.next()
    if (line.done === true) throw new Error('the koi-net node ended')
    const answer = JSON.parse(line.value) as { ok: unknown; error?: string }
    if (answer.error !== undefined) throw new Error(`the koi-net node: ${answer.error}`)
    return answer.ok
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.stdin.end()
    await ended
  }
}

export const reference = (python: string): Subject => ({
  name: 'reference',
  start: (folder, { seed = 0 } = {}) => ReferenceNode.start(python, folder, { kind: 'full', name: 'reference', seed }),
})

async function writeSeed(file: string, bundles: number): Promise<void> {
  const lines = createWriteStream(file)
  for (let n = 0; n < bundles; n++) {
    const { manifest, contents } = seedBundle(n)
    const line = `["${manifest.rid}","${manifest.timestamp}","${manifest.sha256_hash}",${contents.text}]\n`
    if (!lines.write(line)) await once(lines, 'drain')
  }
  lines.end()
  await once(lines, 'close')
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
