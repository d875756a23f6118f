import { FETCH_BUNDLES_PATH, FETCH_RIDS_PATH, payloadText } from '@koi-mcp/protocol'
import type { Payload } from '@koi-mcp/protocol'
import { inTurns, targetOf } from '../bench.ts'
import type { Bench, Loaded, Row } from '../bench.ts'
import { NOTE, noteRid } from '../load/knowledge.ts'
import type { Values } from '../result.ts'
import { bothSides } from './events.ts'

const CONNECTIONS = 4
const SEED = 1_000

interface Sides {
  readonly ours: Loaded
  readonly reference: Loaded | { readonly why: string }
}

type Fetches = Record<'ours' | 'reference' | 'floor', Values>

/** Requests per second of one payload after the other; `check` looks at the first answer. */
async function fetchRates(
  bench: Bench,
  { ours, reference }: Sides,
  request: { path: string; payloads: readonly Payload[]; check: (answer: string) => boolean },
  floor: () => Promise<number>,
): Promise<Fetches> {
  const { path, check } = request
  const payloads = request.payloads.map(payloadText)
  for (const loaded of [ours, reference]) {
    if ('why' in loaded) continue
    const { answer } = await loaded.load.ask('prepareFetch', { target: targetOf(loaded.server), path, payloads })
    if (!check(answer)) throw new Error(`${path} answers something else: ${answer.slice(0, 300)}`)
  }
  const rate = async ({ load }: Loaded): Promise<number> => {
    const { requests, ms } = await load.ask('sendFetch', { ms: bench.effort.fetchMs, connections: CONNECTIONS })
    return (requests / ms) * 1000
  }
  return inTurns(bench.effort.rounds, {
    ours: () => rate(ours),
    reference: 'why' in reference ? reference : () => rate(reference),
    floor,
  })
}

const count = (text: string, part: string): number => text.split(part).length - 1

/** All RIDs of one type, from a node that holds so many. */
export function ridsRates(bench: Bench, sides: Sides, held: number): Promise<Fetches> {
  const requests = Math.max(1, Math.round(200_000 / held))
  return fetchRates(
    bench,
    sides,
    {
      path: FETCH_RIDS_PATH,
      payloads: [{ type: 'fetch_rids', rid_types: [NOTE] }],
      check: (answer) => count(answer, `"${NOTE}:`) === held,
    },
    async () => (requests / (await bench.floor.ask('rids', { requests })).ms) * 1000,
  )
}

/** Bundles by name, so many a request, each request for others. */
export function bundlesRow(size: number): Row {
  return async (bench) => {
    const sides = await bothSides(bench, { seed: SEED })
    await bench.floor.ask('open', { file: bench.folder('floor.db'), seed: SEED })
    const payloads = Array.from({ length: 64 }, (_, index): Payload => {
      const rids = Array.from({ length: size }, (_unused, offset) => noteRid((index * 7919 + offset * 31) % SEED))
      return { type: 'fetch_bundles', rids }
    })
    const requests = Math.ceil(10_000 / (size + 9))
    try {
      const rates = await fetchRates(
        bench,
        sides,
        {
          path: FETCH_BUNDLES_PATH,
          payloads,
          check: (answer) => count(answer, '"sha256_hash"') === size && answer.includes('"not_found":[]'),
        },
        async () => (requests / (await bench.floor.ask('bundles', { requests, size, of: SEED })).ms) * 1000,
      )
      const what = `bundles/fetch of ${size}`
      return [{ row: `bundles-${size}`, what, unit: 'requests/s', better: 'more', ...rates }]
    } finally {
      await sides.ours.stop()
      if (!('why' in sides.reference)) await sides.reference.stop()
    }
  }
}
