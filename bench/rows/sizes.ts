import { inTurns, pick, underLoad } from '../bench.ts'
import type { Bench, Loaded, Row } from '../bench.ts'
import { processCost } from '../process/process-cost.ts'
import type { RowResult } from '../result.ts'
import type { Subject } from '../subjects/subject.ts'
import { runEvents } from './events.ts'
import type { EventRun } from './events.ts'
import { ridsRates } from './fetches.ts'

/** Above this the reference, a file a bundle in one folder, takes longer for one row than everything else together. */
const REFERENCE_HOLDS = 50_000
const TOO_LARGE = `the reference keeps a file a bundle: filling and listing more than ${REFERENCE_HOLDS.toLocaleString('en-US')} would take longer than all other rows`
const NO_FLOOR =
  'nothing bare is comparable: a node that starts reads its network, recovers its queues and loads its code'
const BATCH = 10

interface Restart {
  readonly readyMs: number
  readonly rssMiB: number
}

/** What depends on how much a node holds: listing it, one more event, a restart and memory. */
export function sizeRow(bundles: number): Row {
  return async (bench) => {
    const held = Math.max(100, Math.round(bundles / bench.effort.smaller))
    const reference =
      'why' in bench.reference ? bench.reference : held > REFERENCE_HOLDS ? { why: TOO_LARGE } : bench.reference
    const mine = await filled(bench, bench.ours, held)
    const theirs = 'why' in reference ? reference : await filled(bench, reference, held)
    await bench.floor.ask('open', { file: bench.folder('floor.db'), seed: held })
    try {
      const restarts = await inTurns(Math.min(3, bench.effort.rounds), {
        ours: () => mine.restart(),
        reference: 'why' in theirs ? theirs : () => theirs.restart(),
      })
      const ours = mine.loaded()
      const other = 'why' in theirs ? theirs : theirs.loaded()
      bench.say(`listing ${held.toLocaleString('en-US')} RIDs`)
      const rids = await ridsRates(bench, { ours, reference: other }, held)
      bench.say('sending events')
      const events = await eventCosts(bench, { ours, reference: other })
      const named = (what: string, unit: string, better: 'more' | 'less') => ({
        row: sizeName(bundles),
        what: `${what} at ${held.toLocaleString('en-US')}`,
        unit,
        better,
      })
      return [
        { ...named('rids/fetch', 'requests/s', 'more'), ...rids },
        { ...named(`one more event, ${BATCH} a batch`, 'µs', 'less'), ...events },
        {
          ...named('restart to ready', 'ms', 'less'),
          ours: pick(restarts.ours, ({ readyMs }) => readyMs),
          reference: pick(restarts.reference, ({ readyMs }) => readyMs),
          floor: { why: NO_FLOOR },
        },
        {
          ...named('memory when ready', 'MiB', 'less'),
          ours: pick(restarts.ours, ({ rssMiB }) => rssMiB),
          reference: pick(restarts.reference, ({ rssMiB }) => rssMiB),
          floor: { why: NO_FLOOR },
        },
      ]
    } finally {
      await mine.stop()
      if (!('why' in theirs)) await theirs.stop()
    }
  }
}

const sizeName = (bundles: number): string =>
  bundles >= 1_000_000 ? `size-${bundles / 1_000_000}m` : `size-${bundles / 1_000}k`

async function eventCosts(
  bench: Bench,
  { ours, reference }: { ours: Loaded; reference: Loaded | { readonly why: string } },
): Promise<Pick<RowResult, 'ours' | 'reference' | 'floor'>> {
  const { rounds, events } = bench.effort
  const count = Math.ceil(events.ours / 2)
  let floorNext = 0
  const taken = await inTurns<'ours' | 'reference' | 'floor', Pick<EventRun, 'events' | 'appliedMs'>>(rounds, {
    ours: () => runEvents(ours, { events: count, batch: BATCH }),
    reference: 'why' in reference ? reference : () => runEvents(reference, { events: events.reference, batch: BATCH }),
    floor: async () => {
      const { ms } = await bench.floor.ask('events', { first: floorNext, events: count, batch: BATCH })
      floorNext += count
      return { events: count, appliedMs: ms }
    },
  })
  const cost = (run: Pick<EventRun, 'events' | 'appliedMs'>): number => (run.appliedMs / run.events) * 1000
  return { ours: pick(taken.ours, cost), reference: pick(taken.reference, cost), floor: pick(taken.floor, cost) }
}

/** A node with so many bundles, which can be started again on what it has. */
async function filled(bench: Bench, subject: Subject, held: number) {
  bench.say(`filling ${subject.name} with ${held.toLocaleString('en-US')} bundles`)
  const folder = bench.folder(subject.name)
  let loaded: Loaded | undefined = await underLoad(await subject.start(folder, { seed: held }))
  return {
    loaded: (): Loaded => {
      if (loaded === undefined) throw new Error(`${subject.name} is not running`)
      return loaded
    },
    restart: async (): Promise<Restart> => {
      bench.say(`restarting ${subject.name}`)
      await loaded?.stop()
      loaded = undefined
      loaded = await underLoad(await subject.start(folder))
      const { server } = loaded
      return { readyMs: server.readyMs, rssMiB: processCost(server.pid)?.rssMiB ?? Number.NaN }
    },
    stop: async (): Promise<void> => {
      await loaded?.stop()
    },
  }
}
