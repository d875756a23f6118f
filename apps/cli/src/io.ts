import type { ColourName } from './output/colour.ts'
import { colours } from './output/colour.ts'

/** What a command may touch of the process it runs in, so that tests can give it something else. */
export interface Io {
  readonly stdout: TextSink
  readonly stderr: TextSink
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

export interface TextSink {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** How a command is told to end. */
export interface Stop {
  /** The first Ctrl-C, SIGTERM or SIGHUP, or nobody reads standard output any more: end in good order. */
  readonly signal: AbortSignal
  /** The person asked once more: end at once. */
  readonly hurry: AbortSignal
}

export const printLine = (sink: TextSink, line: string): void => {
  sink.write(`${line}\n`)
}

/** Columns of a terminal; some say 0 where they do not know. */
export const widthOf = ({ columns }: TextSink): number => (columns === undefined || columns < 40 ? 120 : columns)

export type Paint = (colour: ColourName, text: string) => string

/** Colours on a terminal alone, and not where `NO_COLOR` is set. */
export const painter = (io: Pick<Io, 'env'>, sink: TextSink): Paint =>
  sink.isTTY === true && (io.env['NO_COLOR'] ?? '') === '' && io.env['TERM'] !== 'dumb'
    ? colours
    : (_colour, text) => text
