import { CliError } from '../errors.ts'
import { locate } from '../inspect/locate.ts'
import type { LookOptions } from '../inspect/locate.ts'
import type { ServiceApi } from '../inspect/service-api.ts'
import { painter, printLine, widthOf } from '../io.ts'
import type { Io } from '../io.ts'
import { indentJson } from '../output/json-lines.ts'
import { deadLetterTable } from './dead-letter-table.ts'
import type { DeadLetterRow } from './dead-letter-table.ts'

const PAGE = 500

/** Which ones: a place, or `--all` of those that are there now. */
export interface Which {
  readonly place?: number | undefined
  readonly all?: boolean | undefined
}

/** A table by place, oldest first; with `json` a line for each. */
export const list = async (options: LookOptions, io: Io, signal: AbortSignal): Promise<void> => {
  const api = await locate(options, io)
  const rows: DeadLetterRow[] = []
  for await (const page of pages(api, signal)) {
    if (options.json) for (const row of page) printLine(io.stdout, JSON.stringify(row))
    else rows.push(...page)
  }
  if (options.json) return
  if (rows.length === 0) return printLine(io.stderr, `No dead letters at ${api.base}.`)
  for (const line of deadLetterTable(rows, widthOf(io.stdout), painter(io, io.stdout))) printLine(io.stdout, line)
}

/** All that is kept of one, every number and escape as received. */
export const show = async (place: number, options: LookOptions, io: Io, signal: AbortSignal): Promise<void> => {
  const api = await locate(options, io)
  const letter = await api.text('/api/dead-letter', [['place', String(place)]], signal)
  if (letter === undefined) throw none(place, api)
  printLine(io.stdout, options.json ? letter : indentJson(letter))
}

/** Handles them again. One that fails again is a new dead letter, with a new place. */
export const replay = async (which: Which, options: LookOptions, io: Io, signal: AbortSignal): Promise<void> => {
  const api = await locate(options, io)
  let count = 0
  for (const places of await placesOf(which, api, signal)) {
    const reply = (await api.post('/api/dead-letters/replay', { places }, signal)) as {
      replayed: { place: number; to: number }[]
    }
    for (const replayed of reply.replayed) {
      if (options.json) printLine(io.stdout, JSON.stringify(replayed))
      else printLine(io.stdout, `${replayed.place} is handled again, as ${replayed.to}.`)
    }
    count += reply.replayed.length
  }
  said(count, which, api, options, io)
}

/** Gives them up for good. */
export const drop = async (which: Which, options: LookOptions, io: Io, signal: AbortSignal): Promise<void> => {
  const api = await locate(options, io)
  let count = 0
  for (const places of await placesOf(which, api, signal)) {
    const { dropped } = (await api.post('/api/dead-letters/drop', { places }, signal)) as { dropped: number[] }
    for (const place of dropped) printLine(io.stdout, options.json ? JSON.stringify({ place }) : `${place} is dropped.`)
    count += dropped.length
  }
  said(count, which, api, options, io)
}

async function* pages(api: ServiceApi, signal: AbortSignal): AsyncGenerator<readonly DeadLetterRow[]> {
  let after: number | null = 0
  while (after !== null) {
    const query: [string, string][] = [
      ['after', String(after)],
      ['limit', String(PAGE)],
    ]
    const page = (await api.json('/api/dead-letters', query, signal)) as {
      dead_letters: DeadLetterRow[]
      next: number | null
    }
    yield page.dead_letters
    after = page.next
  }
}

/** In batches; all of them are looked for before the first is touched, so that one that fails again is not taken for another. */
const placesOf = async ({ place, all }: Which, api: ServiceApi, signal: AbortSignal): Promise<number[][]> => {
  if ((place === undefined) === (all !== true)) throw new CliError('Name the place of a dead letter, or say --all.')
  if (place !== undefined) return [[place]]
  const batches: number[][] = []
  for await (const page of pages(api, signal)) if (page.length > 0) batches.push(page.map((row) => row.place))
  return batches
}

const said = (count: number, { place }: Which, api: ServiceApi, { json }: LookOptions, io: Io): void => {
  if (count > 0) return
  if (place !== undefined) throw none(place, api)
  if (!json) printLine(io.stderr, `No dead letters at ${api.base}.`)
}

const none = (place: number, { base }: ServiceApi): CliError =>
  new CliError(
    `No dead letter at ${base} has the place ${place}. "koi-mcp dead-letters list" lists those that are there.`,
  )
