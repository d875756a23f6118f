import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEnvelope, parsePayload } from '@koi-mcp/protocol'
import { CaseMaker } from './cases.ts'
import type { Case } from './cases.ts'
import { problemOf } from './check-reply.ts'
import { FuzzPeer } from './peer.ts'
import { Target } from './target.ts'
import type { Health } from './target-process.ts'

export interface RunOptions {
  readonly seed: number
  readonly count: number
  readonly first: number
  readonly authority: 'origin' | 'open'
  /** Where failing cases are written. */
  readonly failures: string
  readonly say: (text: string) => void
}

export interface RunReport {
  readonly authority: string
  readonly cases: number
  readonly seconds: number
  readonly statuses: Readonly<Record<string, number>>
  readonly kinds: Readonly<Record<string, number>>
  /** ms */
  readonly longestBlock: number
  readonly slowestCanary: number
  /** MiB */
  readonly heapBefore: number
  readonly heapAfter: number
  readonly heapPeak: number
  readonly deadLetters: number
  readonly failed: number
}

const AT_ONCE = 16
const CASES_A_ROUND = 1_000
/** What the target may keep of all this: the replays of a day are in its store, the graph of who introduced themselves is not. */
const MAX_HEAP_GROWTH = 128
const JSON_TYPE = { 'content-type': 'application/json' }
const mib = (bytes: number) => Math.round(bytes / 2 ** 20)

/** Sends cases to one node, and after each thousand asks whether it is still what it was. */
export async function run({ seed, count, first, authority, failures, say }: RunOptions): Promise<RunReport> {
  const target = await Target.start(authority)
  try {
    const honest = new FuzzPeer('honest')
    const peers = ['mallory', 'trudy', 'eve'].map((name) => new FuzzPeer(name))
    const send = (path: string, body: string) => target.call(path, JSON_TYPE, Buffer.from(body))
    for (const peer of [honest, ...peers])
      await send('/events/broadcast', peer.sign(JSON.stringify(peer.handshake), target.rid))
    // Where anyone may change knowledge, only what the node published itself is nobody else's.
    const canaries = [...target.canaries, target.rid, ...(authority === 'open' ? [] : [honest.rid])]
    const maker = new CaseMaker({ seed, target: target.rid, peers, canaries })
    const ask = async () => {
      const request = () => honest.sign(JSON.stringify({ type: 'fetch_bundles', rids: canaries }), target.rid)
      let reply = await send('/bundles/fetch', request())
      // Where anyone may, somebody has made the node forget who asks.
      for (let tries = 0; reply.status === 400 && authority === 'open' && tries < 200; tries++) {
        await send('/events/broadcast', honest.sign(JSON.stringify(honest.handshake), target.rid))
        await target.health(true)
        reply = await send('/bundles/fetch', request())
      }
      const { bundles, not_found } = parsePayload(parseEnvelope(reply.body).payload, 'bundles_payload')
      const texts = bundles.map(({ ok }) => `${ok?.manifest.text}${ok?.contents.text}`)
      return {
        ms: reply.ms,
        known: JSON.stringify([texts, not_found]),
        profile: bundles.find(({ ok }) => ok?.manifest.rid === target.rid),
      }
    }
    const start = await target.health(true)
    const before = await ask()
    const publicKey = before.profile?.ok?.contents.value.public_key as string

    const statuses: Record<string, number> = {}
    const kinds: Record<string, number> = {}
    let failed = 0
    const worst = { block: 0, canary: 0, heap: 0 }
    let last: Health = start
    const fail = async (index: number, problem: string, made?: Case) => {
      failed += 1
      if (failed > 20) return
      await mkdir(failures, { recursive: true })
      const file = join(failures, `seed-${seed}-case-${index}-${authority}.json`)
      const body = made && { ...made, body: made.body.toString('base64') }
      await writeFile(
        file,
        `${JSON.stringify({ seed, index, authority, problem, case: body, target: target.rid }, undefined, 2)}\n`,
      )
      say(
        `FAILED: seed ${seed}, case ${index}${made ? ` (${made.kind}, ${made.path})` : ''}: ${problem}\n  saved in ${file}`,
      )
    }
    const one = async (index: number) => {
      const made = maker.make(index)
      kinds[made.kind] = (kinds[made.kind] ?? 0) + 1
      try {
        const reply = await target.call(made.path, made.headers, made.body)
        statuses[reply.status] = (statuses[reply.status] ?? 0) + 1
        const problem = problemOf(made.path, reply, { rid: target.rid, publicKey })
        if (problem !== undefined) await fail(index, problem, made)
      } catch (error) {
        await fail(index, `no reply: ${String(error)}`, made)
      }
    }
    const look = async (index: number) => {
      const seen = await ask()
      worst.canary = Math.max(worst.canary, seen.ms)
      if (seen.known !== before.known) await fail(index, 'what nobody else may change has changed')
      last = await target.health()
      worst.block = Math.max(worst.block, last.longestBlock)
      worst.heap = Math.max(worst.heap, last.peakHeap)
      for (const error of last.errors) await fail(index, error)
    }

    const since = performance.now()
    const end = first + count
    for (let at = first; at < end && target.isAlive && failed < 20; at += CASES_A_ROUND) {
      let next = at
      const until = Math.min(at + CASES_A_ROUND, end)
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          while (next < until) await one(next++)
        }),
      )
      await look(until - 1)
      if ((until - first) % 20_000 === 0)
        say(`${until - first} cases, ${mib(last.heap)} MiB, ${last.inbox.pending} events waiting`)
    }
    const seconds = (performance.now() - since) / 1000
    await target.health(true)
    await look(end - 1)
    const growth = mib(last.heap) - mib(start.heap)
    if (growth > MAX_HEAP_GROWTH) await fail(end - 1, `the heap has grown by ${growth} MiB`)
    return {
      authority,
      cases: Object.values(kinds).reduce((sum, number) => sum + number, 0),
      seconds: Math.round(seconds * 10) / 10,
      statuses,
      kinds,
      longestBlock: Math.round(worst.block),
      slowestCanary: Math.round(worst.canary),
      heapBefore: mib(start.heap),
      heapAfter: mib(last.heap),
      heapPeak: mib(worst.heap),
      deadLetters: last.inbox.deadLetters,
      failed,
    }
  } finally {
    await target.stop()
  }
}
