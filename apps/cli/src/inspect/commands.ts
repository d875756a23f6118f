import { CliError } from '../errors.ts'
import { painter, printLine, widthOf } from '../io.ts'
import type { Io } from '../io.ts'
import { eventJson, eventLine } from '../output/event-line.ts'
import { indentJson } from '../output/json-lines.ts'
import { printable } from '../output/printable.ts'
import { follow } from './follow.ts'
import { locate } from './locate.ts'
import type { LookOptions } from './locate.ts'

const PAGE = 1000

/** Every RID that the node knows, one a line, in byte order; with `json` a JSON string a line. */
export const rids = async (options: LookOptions & { types?: readonly string[] }, io: Io, signal: AbortSignal) => {
  const api = await locate(options, io)
  let after: string | null = null
  let found = 0
  do {
    const query: [string, string][] = [['limit', String(PAGE)], ...(options.types ?? []).map(typeParameter)]
    if (after !== null) query.push(['after', after])
    const page = (await api.json('/api/rids', query, signal)) as { rids: string[]; next: string | null }
    for (const rid of page.rids) printLine(io.stdout, options.json ? JSON.stringify(rid) : printable(rid))
    found += page.rids.length
    after = page.next
  } while (after !== null)
  if (found === 0 && !options.json) printLine(io.stderr, 'Nothing is known there yet.')
}

/** What is known of an RID: manifest and contents, every number and escape as received. */
export const get = async (rid: string, options: LookOptions, io: Io, signal: AbortSignal): Promise<void> => {
  const api = await locate(options, io)
  const bundle = await api.text('/api/bundle', [['rid', rid]], signal)
  if (bundle === undefined) {
    throw new CliError(
      `Nothing is known of ${printable(rid)}. "koi-mcp rids" lists what is, "koi-mcp search TEXT" searches it.`,
    )
  }
  printLine(io.stdout, options.json ? bundle : indentJson(bundle))
}

interface SearchPage {
  readonly total: number
  readonly hits: readonly { readonly rid: string; readonly score: number; readonly snippet: string }[]
}

/** What contains all the words, best first; with `json` one hit a line. */
export const search = async (
  text: string,
  options: LookOptions & { types?: readonly string[]; limit: number },
  io: Io,
  signal: AbortSignal,
): Promise<void> => {
  const api = await locate(options, io)
  const paint = painter(io, io.stdout)
  const query: [string, string][] = [
    ['q', text],
    ['limit', String(options.limit)],
    ...(options.types ?? []).map(typeParameter),
  ]
  const { total, hits } = (await api.json('/api/search', query, signal)) as SearchPage
  for (const hit of hits) {
    if (options.json) printLine(io.stdout, JSON.stringify(hit))
    else printLine(io.stdout, `${paint('bold', printable(hit.rid))}\n  ${printable(hit.snippet)}`)
  }
  if (!options.json) printLine(io.stderr, total === 0 ? 'Nothing found.' : `${hits.length} of ${total} found.`)
}

/** A line per event until the signal; a node that goes away is waited for. */
export const watch = async (options: LookOptions, io: Io, signal: AbortSignal): Promise<void> => {
  const api = await locate(options, io)
  const status = (await api.json('/api/status', [], signal)) as { role: string; name: string; node_rid: string }
  const paint = painter(io, io.stdout)
  printLine(io.stderr, `Watching ${printable(status.name)} at ${api.base}. Ctrl-C ends.`)
  await follow(
    api,
    (event) => {
      const line = options.json ? eventJson(event, status) : eventLine(event, status.name, widthOf(io.stdout), paint)
      printLine(io.stdout, line)
    },
    signal,
    () => printLine(io.stderr, `The connection to ${api.base} broke; trying again until it is back…`),
  )
}

const typeParameter = (type: string): [string, string] => ['types', type]
