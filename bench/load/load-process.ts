/** The load generator: signs before it is measured, in a process of its own. Commands come over IPC, see `LoadCommands`. */
import { setTimeout as wait } from 'node:timers/promises'
import { BROADCAST_EVENTS_PATH, edgeRid, FETCH_BUNDLES_PATH, payloadText } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { serveCommands } from '../process/serve-commands.ts'
import { HttpLane, postBytes } from './http-lane.ts'
import { eventRid } from './knowledge.ts'
import type { LoadCommand, LoadCommands, Numbers, Target } from './load-commands.ts'
import { Sender } from './sender.ts'

const sender = new Sender('bench-load')
/** Events of a run that must all be served before it counts as applied: more than any server works on side by side. */
const LAST_ONES = 100

/** How long a subscription may take that is not coming where the server asks for none. */
const EDGE_WAIT_MS = 1_000

let events: { urls: readonly URL[]; requests: Buffer[]; lastOne: Buffer; lastOnes: Buffer } | undefined
let fetches: { url: URL; requests: Buffer[] } | undefined

const bundlesRequest = ({ url, rid }: Target, rids: readonly Rid[]): Buffer => {
  const payload = payloadText({ type: 'fetch_bundles', rids })
  return postBytes(new URL(url), FETCH_BUNDLES_PATH, sender.sign(payload, rid))
}

async function withLanes<T>(
  urls: readonly URL[],
  count: number,
  work: (lanes: readonly HttpLane[]) => Promise<T>,
): Promise<T> {
  const lanes = await Promise.all(
    Array.from({ length: count }, (_, index) => HttpLane.open(urls[index % urls.length]!)),
  )
  try {
    return await work(lanes)
  } finally {
    for (const lane of lanes) lane.close()
  }
}

function lastOf({ first, events: count }: Numbers): Rid[] {
  const size = Math.min(LAST_ONES, count)
  return Array.from({ length: size }, (_, index) => eventRid(first + count - size + index))
}

/** Sends requests, drawn one after the other by all lanes, until there is none. */
async function drain(lanes: readonly HttpLane[], next: () => Buffer | undefined): Promise<void> {
  await Promise.all(
    lanes.map(async (lane) => {
      for (let request = next(); request !== undefined; request = next()) {
        const { status } = await lane.post(request)
        if (status !== 200) throw new Error(`the server answered ${status}`)
      }
    }),
  )
}

async function untilServed(lane: HttpLane, request: Buffer): Promise<void> {
  const until = performance.now() + 120_000
  for (;;) {
    const { body = '' } = await lane.post(request, { keepBody: true })
    if (body.includes('"not_found":[]')) return
    if (performance.now() > until) throw new Error(`not applied within two minutes: ${body.slice(0, 300)}`)
    await wait(5)
  }
}

const commands: { readonly [C in LoadCommand]: (args: LoadCommands[C]['args']) => Promise<LoadCommands[C]['answer']> } =
  {
    introduce: async ({ target }) => {
      const url = new URL(target.url)
      await withLanes([url], 1, async ([lane]) => {
        await lane!.post(postBytes(url, BROADCAST_EVENTS_PATH, sender.introduction(target.rid)))
        // Ours proposes to subscribe, and takes what it subscribes to; a full node of the reference asks no partial one, and takes anything.
        const ask = bundlesRequest(target, [edgeRid(sender.rid, target.rid)])
        const since = performance.now()
        for (;;) {
          const { status, body = '' } = await lane!.post(ask, { keepBody: true })
          const waited = performance.now() - since
          if (status === 200 && (body.includes('"not_found":[]') || waited > EDGE_WAIT_MS)) return
          if (waited > 30_000) throw new Error('the server does not come to know the load generator')
          await wait(20)
        }
      })
      return null
    },

    prepareEvents: ({ target, numbers }) => {
      const url = new URL(target.url)
      const requests = sender
        .batches(numbers, target.rid)
        .map((envelope) => postBytes(url, BROADCAST_EVENTS_PATH, envelope))
      const last = lastOf(numbers)
      events = {
        urls: [url, ...(target.others ?? []).map((other) => new URL(other))],
        requests,
        lastOne: bundlesRequest(target, last.slice(-1)),
        lastOnes: bundlesRequest(target, last),
      }
      return Promise.resolve({ bytes: requests.reduce((sum, { length }) => sum + length, 0) })
    },

    sendEvents: ({ connections }) => {
      if (events === undefined) throw new Error('prepareEvents first')
      const { urls, requests, lastOne, lastOnes } = events
      return withLanes(urls, connections, async (lanes) => {
        let index = 0
        const start = performance.now()
        await drain(lanes, () => requests[index++])
        const acceptedMs = performance.now() - start
        // The last one first: asking for a hundred over and over would be a load of its own.
        await untilServed(lanes[0]!, lastOne)
        await untilServed(lanes[0]!, lastOnes)
        return { acceptedMs, appliedMs: performance.now() - start }
      })
    },

    prepareFetch: ({ target, path, payloads }) => {
      const url = new URL(target.url)
      const requests = payloads.map((payload) => postBytes(url, path, sender.sign(payload, target.rid)))
      fetches = { url, requests }
      return withLanes([url], 1, async ([lane]) => {
        const { status, body = '' } = await lane!.post(requests[0]!, { keepBody: true })
        if (status !== 200) throw new Error(`${path} was answered ${status}: ${body.slice(0, 300)}`)
        return { answer: body }
      })
    },

    sendFetch: ({ ms, connections }) => {
      if (fetches === undefined) throw new Error('prepareFetch first')
      const { url, requests } = fetches
      return withLanes([url], connections, async (lanes) => {
        let sent = 0
        const start = performance.now()
        await drain(lanes, () => (performance.now() - start < ms ? requests[sent++ % requests.length] : undefined))
        return { requests: sent, ms: performance.now() - start }
      })
    },
  }

serveCommands(commands)
