import { inTurns, pick, targetOf, underLoad } from '../bench.ts'
import type { Bench, Loaded, Row } from '../bench.ts'
import { processCost } from '../process/process-cost.ts'
import type { RowResult } from '../result.ts'
import type { Server, Subject } from '../subjects/subject.ts'

export interface EventRun {
  readonly events: number
  readonly acceptedMs: number
  readonly appliedMs: number
  /** Of the server, over the whole run. */
  readonly cpuMs: number
}

const CONNECTIONS = 16

/** Sends so many news and waits until they are served. */
export async function runEvents(
  loaded: Loaded,
  { events, batch }: { events: number; batch: number },
): Promise<EventRun> {
  const { server, load } = loaded
  const numbers = { first: loaded.next, events, batch }
  loaded.next += events
  await load.ask('prepareEvents', { target: targetOf(server), numbers })
  const before = cpuMsOf(server)
  const times = await load.ask('sendEvents', { connections: CONNECTIONS })
  return { events, ...times, cpuMs: cpuMsOf(server) - before }
}

/** Of all its processes. */
function cpuMsOf({ pid, otherPids = [] }: Server): number {
  return [pid, ...otherPids].reduce((sum, each) => sum + (processCost(each)?.cpuMs ?? Number.NaN), 0)
}

const eventsPerSecond = (events: number, ms: number): number => (events / ms) * 1000

export interface EventsRow {
  readonly row: string
  readonly batch: number
  /** Default: the coordinator on the embedded store. */
  readonly subject?: Subject | Left | undefined
}

/** Events of one sender on 16 connections into an empty node: accepted (the 200s) and applied (served). */
export function eventsRow({ row, batch, subject }: EventsRow): Row {
  return async (bench) => {
    const { effort } = bench
    if (subject !== undefined && 'why' in subject) {
      return results(row, batch, { ours: subject, reference: subject, floor: subject })
    }
    const sides = await bothSides(bench, { subject })
    const events = { ours: Math.ceil(effort.events.ours / (batch === 1 ? 2 : 1)), reference: effort.events.reference }
    await bench.floor.ask('open', { file: bench.folder('floor.db'), seed: 0 })
    let floorNext = 0
    const { ours, reference } = sides
    try {
      const taken = await inTurns<'ours' | 'reference' | 'floor', EventRun>(effort.rounds, {
        ours: () => runEvents(ours, { events: events.ours, batch }),
        reference: 'why' in reference ? reference : () => runEvents(reference, { events: events.reference, batch }),
        floor: async () => {
          const { ms, cpuMs } = await bench.floor.ask('events', { first: floorNext, events: events.ours, batch })
          floorNext += events.ours
          return { events: events.ours, acceptedMs: ms, appliedMs: ms, cpuMs }
        },
      })
      return results(row, batch, taken)
    } finally {
      await ours.stop()
      if (!('why' in reference)) await reference.stop()
    }
  }
}

interface Left {
  readonly why: string
}

type Taken = Record<'ours' | 'reference' | 'floor', readonly EventRun[] | Left>

function results(row: string, batch: number, { ours, reference, floor }: Taken): RowResult[] {
  const series = (what: string, unit: string, better: 'more' | 'less', of: (run: EventRun) => number): RowResult => ({
    row,
    what,
    unit,
    better,
    ours: pick(ours, of),
    reference: pick(reference, of),
    floor: pick(floor, of),
  })
  return [
    series(`accepted, ${batch} a batch`, 'events/s', 'more', (run) => eventsPerSecond(run.events, run.acceptedMs)),
    series(`applied, ${batch} a batch`, 'events/s', 'more', (run) => eventsPerSecond(run.events, run.appliedMs)),
    series(`CPU of the server, ${batch} a batch`, 'µs/event', 'less', (run) => (run.cpuMs / run.events) * 1000),
  ]
}

/** Both nodes, filled alike and under load; what is sent has numbers of its own. */
export async function bothSides(
  bench: Bench,
  {
    seed = 0,
    noReference,
    subject = bench.ours,
  }: { seed?: number; noReference?: string | undefined; subject?: Subject | undefined } = {},
): Promise<{ ours: Loaded; reference: Loaded | { readonly why: string } }> {
  const start = async (subject: Bench['ours']): Promise<Loaded> => {
    if (seed > 0) bench.say(`filling ${subject.name} with ${seed.toLocaleString('en-US')} bundles`)
    return underLoad(await subject.start(bench.folder(subject.name), { seed }))
  }
  const ours = await start(subject)
  if (noReference !== undefined) return { ours, reference: { why: noReference } }
  try {
    return { ours, reference: 'why' in bench.reference ? bench.reference : await start(bench.reference) }
  } catch (error) {
    await ours.stop()
    throw error
  }
}
