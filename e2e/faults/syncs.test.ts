import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  asRid,
  contentsOf,
  eventFromBundle,
  eventText,
  formatTimestamp,
  generateBundle,
  generateKeyPair,
  nodeProfileContents,
  nodeRid,
  publicKeyToDerBase64,
  signEnvelope,
  WELL_KNOWN_PATH,
} from '@koi-mcp/protocol'
import type { Contents, NodeProfile, Rid } from '@koi-mcp/protocol'
import { freePort, NodeProcess } from './network.ts'

const REQUESTS = 24
const noteOf = (index: number): Rid => asRid(`orn:faults.note:synced-${index}.`)

/** Whether system calls can be traced here; why not, else. */
function whyNot(): string | undefined {
  try {
    execFileSync('strace', ['-f', '-o', '/dev/null', '-e', 'trace=fsync', process.execPath, '--version'])
    return undefined
  } catch (error) {
    const why = `system calls cannot be traced here (strace: ${error instanceof Error ? error.message : String(error)})`
    if (process.env.CI === 'true') throw new Error(why, { cause: error })
    return why
  }
}

/** One call of the traced process that ended well: its text as strace prints it, in the order of the ends. */
type Call = string

/** What a node does, call by call, while it answers as many requests at once, each with one note. */
async function traceOf(durability: 'full' | 'normal'): Promise<readonly Call[]> {
  const folder = await mkdtemp(join(tmpdir(), 'koi-syncs-'))
  const trace = join(folder, 'trace')
  const state = join(folder, 'state')
  await mkdir(state, { mode: 0o700 })
  const node = new NodeProcess({ role: 'consumer', state, port: await freePort(), durability }, trace)
  try {
    await node.start()
    const peer = stranger()
    const envelopes = Array.from({ length: REQUESTS }, (_, index) =>
      peer.envelope(node.rid, newEvent(noteOf(index), contentsOf({ index }))),
    )
    const agent = new Agent({ keepAlive: true })
    // All connections stand, and all requests wait when the node looks.
    await Promise.all(envelopes.map(() => answered(request(node.origin + WELL_KNOWN_PATH, { agent }).end())))
    node.signal('SIGSTOP')
    const posts = envelopes.map((envelope) => post(node, envelope, agent))
    await Promise.all(posts.map(({ sent }) => sent))
    node.signal('SIGCONT')
    await Promise.all(posts.map((posted) => posted.answered))
    agent.destroy()
  } finally {
    await node.end()
  }
  const text = await readFile(trace, 'utf8')
  await rm(folder, { recursive: true, force: true })
  return callsOf(text)
}

const newEvent = (rid: Rid, contents: Contents): string =>
  eventText(eventFromBundle('NEW', generateBundle(rid, contents, formatTimestamp(BigInt(Date.now()) * 1_000n))))

/** A partial node that never was: enough of one to be believed. */
function stranger() {
  const { privateKey, publicKey } = generateKeyPair()
  const key = publicKeyToDerBase64(publicKey)
  const profile: NodeProfile = { node_type: 'PARTIAL', provides: { event: [], state: [] }, public_key: key }
  const rid = nodeRid('stranger', key)
  const introduction = newEvent(rid, nodeProfileContents(profile))
  return {
    envelope: (target: string, event: string): string => {
      const payloadText = `{"type":"events_payload","events":[${introduction},${event}]}`
      return signEnvelope({ payloadText, source: rid, target: asRid(target) }, privateKey)
    },
  }
}

/** `sent`: the operating system has the whole request. */
function post({ origin }: NodeProcess, body: string, agent: Agent) {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const outgoing = request(`${origin}/koi-net/events/broadcast`, { method: 'POST', headers, agent })
  const posted = { sent: once(outgoing, 'finish'), answered: answered(outgoing) }
  outgoing.end(body)
  return posted
}

async function answered(outgoing: ClientRequest): Promise<void> {
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  response.resume()
  await once(response, 'end')
  if (response.statusCode !== 200) throw new Error(`answered ${response.statusCode}`)
}

/** The calls of the thread that has the store, each as a whole: strace parts those that another thread's call interrupted. */
function callsOf(trace: string): readonly Call[] {
  const lines = trace.split('\n').map((line) => /^(\d+) +(.*)$/.exec(line)?.slice(1) ?? [])
  const thread = lines.find(([, call]) => call?.includes(WAL))?.[0]
  const calls: Call[] = []
  let begun = ''
  for (const [id, call = ''] of lines) {
    if (id !== thread) continue
    if (call.endsWith('<unfinished ...>')) begun = call.slice(0, -'<unfinished ...>'.length)
    else calls.push(call.startsWith('<... ') ? begun + call.slice(call.indexOf('resumed>') + 'resumed>'.length) : call)
  }
  return calls
}

const WAL = 'knowledge.db-wal>'
const isSync = (call: Call): boolean => /^f(data)?sync\(/.test(call) && call.includes(WAL) && call.endsWith(' = 0')

/** For one request, at which calls it was read, written to the log, and answered. */
function wayOf(calls: readonly Call[], index: number) {
  const read = calls.findIndex((call) => call.startsWith('read(') && call.includes(noteOf(index)))
  const socket = /^read\((\d+<TCP:\[.*?\]>)/.exec(calls[read] ?? '')?.[1] ?? 'no socket'
  const after = (from: number, isIt: (call: Call) => boolean): number =>
    calls.findIndex((call, at) => at > from && isIt(call))
  const written = after(
    read,
    (call) => call.startsWith('pwrite64(') && call.includes(WAL) && call.includes(noteOf(index)),
  )
  const synced = after(written, isSync)
  const answered = after(
    read,
    (call) => /^writev?\(/.test(call) && call.includes(socket) && call.includes('HTTP/1.1 200'),
  )
  return { read, written, synced, answered }
}

const reason = whyNot()

describe.skipIf(reason !== undefined)(
  `a 200 to an envelope of events${reason === undefined ? '' : `: ${reason}`}`,
  () => {
    let full: readonly Call[]
    let normal: readonly Call[]

    beforeAll(async () => {
      full = await traceOf('full')
      normal = await traceOf('normal')
    })

    const ways = (calls: readonly Call[]) => Array.from({ length: REQUESTS }, (_, index) => wayOf(calls, index))

    test('is written behind the sync of the log that holds the events', () => {
      for (const { read, written, synced, answered } of ways(full)) {
        expect(read).toBeGreaterThan(0)
        expect(written).toBeGreaterThan(read)
        expect(synced).toBeGreaterThan(written)
        expect(answered).toBeGreaterThan(synced)
      }
    })

    test('shares its sync with those that wait at the same time', () => {
      const syncs = new Set(ways(full).map(({ synced }) => synced))
      // How many come while one sync is on its way depends on the machine; without sharing each request has its own.
      expect(syncs.size).toBeLessThan(REQUESTS / 2)
    })

    test('with durability normal is written behind the write, and costs fewer syncs', () => {
      for (const { read, written, answered } of ways(normal)) {
        expect(written).toBeGreaterThan(read)
        expect(answered).toBeGreaterThan(written)
      }
      expect(normal.filter(isSync).length).toBeLessThan(full.filter(isSync).length / 2)
    })
  },
)
