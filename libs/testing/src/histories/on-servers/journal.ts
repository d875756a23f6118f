import { appendFileSync, closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { Rid } from '@koi-mcp/protocol'
import { Recording } from '../recording.ts'
import type { Span } from '../recording.ts'

type Line =
  | { readonly step: string; readonly args: readonly unknown[]; readonly result: unknown; readonly span: Span }
  | { readonly received: Rid; readonly texts: readonly string[] }
  | { readonly hazard: string }

const STEPS = new Set(['takeLanes', 'nextArrival', 'settle', 'apply', 'announce', 'finish', 'deadLetter'])

/** What the processes of a history did, in one file: each line is written at once and survives whoever wrote it. */
export class Journal {
  readonly #file: number

  constructor(path: string) {
    this.#file = openSync(path, 'a')
  }

  step(name: string, args: readonly unknown[], result: unknown, span: Span): void {
    if (STEPS.has(name)) this.#write({ step: name, args, result, span })
  }

  received(target: Rid, texts: readonly string[]): void {
    this.#write({ received: target, texts })
  }

  hazard(what: string): void {
    this.#write({ hazard: what })
  }

  close(): void {
    closeSync(this.#file)
  }

  #write(line: Line): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`)
  }
}

export interface JournalRead {
  readonly recording: Recording
  readonly received: Map<Rid, readonly string[]>
  readonly hazards: readonly string[]
}

export function readJournal(path: string): JournalRead {
  if (!existsSync(path)) appendFileSync(path, '')
  const recording = new Recording()
  const received = new Map<Rid, readonly string[]>()
  const hazards: string[] = []
  for (const text of readFileSync(path, 'utf8').split('\n').slice(0, -1)) {
    const line = JSON.parse(text) as Line
    if ('step' in line) recording.note(line.step, line.args, line.result, line.span)
    else if ('received' in line) received.set(line.received, [...(received.get(line.received) ?? []), ...line.texts])
    else hazards.push(line.hazard)
  }
  return { recording, received, hazards }
}
