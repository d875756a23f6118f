/** The Python reference as a long-lived child process (`reference.py`), spoken to in lines of JSON. */
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'

/** How the reference's client and its server judge an envelope. */
export interface Verdict {
  readonly client: 'accepted' | 'refused' | 'malformed'
  readonly server: 'accepted' | 'refused' | 'malformed'
  /** The payload as the reference prints it again. */
  readonly payload?: string
  /** Of the contents of its events or bundles, in order. */
  readonly hashes?: readonly string[]
}

/** What can be asked, and what it is answered with; `reference.py` says what each does. */
export interface Operations {
  sign_events: {
    args: { events: readonly { rid: string; event_type: 'NEW' | 'UPDATE'; contents: string }[]; target: string }
    answer: { envelope: string; bundles: readonly { manifest: string; hash: string; contents: string }[] }
  }
  sign_payload: {
    args: { type: string; payload: string; target: string }
    answer: { envelope: string; payload: string }
  }
  verify: { args: { envelope: string; key: string; type: string }; answer: Verdict }
  read_rid: { args: { text: string }; answer: { rid: string; type: string; reference: string } }
  node: { args: { name: string }; answer: { rid: string; public_key: string } }
  profile: { args: { model: 'node' | 'edge'; text: string }; answer: { contents: string } }
  edge: {
    args: { source: string; target: string; rid_types: readonly string[]; edge_type: string }
    answer: { rid: string; bundle: string }
  }
  manifest: { args: { text: string }; answer: { text: string } }
  make_pem: { args: { password: string }; answer: { pem: string; public_key: string } }
  open_pem: {
    args: { pem: string; password: string; message: string }
    answer: { public_key: string; signature: string }
  }
  verify_message: { args: { key: string; signature: string; message: string }; answer: Record<string, never> }
}

export type Reply<T> =
  { readonly ok: T; readonly error?: undefined } | { readonly ok?: undefined; readonly error: string }

/** The Python with the reference: `KOI_NET_PYTHON`, else the one that `.ci/run` makes; why there is none, else. */
export function findReference(): { readonly python: string } | { readonly missing: string } {
  const python = process.env['KOI_NET_PYTHON'] ?? join(import.meta.dirname, '..', '.venv-koi-net', 'bin', 'python')
  if (!existsSync(python))
    return { missing: `${python} does not exist (set KOI_NET_PYTHON, or see interop/requirements.txt)` }
  const { status, stderr } = spawnSync(python, ['-c', 'import koi_net'], { encoding: 'utf8' })
  return status === 0 ? { python } : { missing: `${python} cannot import koi_net: ${stderr.trim().split('\n').at(-1)}` }
}

export class ReferenceProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>

  constructor(python: string) {
    this.#child = spawn(python, [join(import.meta.dirname, 'reference.py')], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#child.stdout, crlfDelay: Infinity })[Symbol.asyncIterator]()
  }

  /** Asks once for many; a request that fails over there has an `error`. One call at a time. */
  async askAll<O extends keyof Operations>(
    op: O,
    all: readonly Operations[O]['args'][],
  ): Promise<Reply<Operations[O]['answer']>[]> {
    this.#child.stdin.write(`${JSON.stringify(all.map((args) => ({ op, args })))}\n`)
    const line = await this.#lines.next()
    if (line.done === true) throw new Error('the Python reference ended')
    return JSON.parse(line.value) as Reply<Operations[O]['answer']>[]
  }

  async ask<O extends keyof Operations>(op: O, args: Operations[O]['args']): Promise<Operations[O]['answer']> {
    const [reply] = await this.askAll(op, [args])
    if (reply?.ok === undefined) throw new Error(`${op}: ${reply?.error}`)
    return reply.ok
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.stdin.end()
    await ended
  }
}
