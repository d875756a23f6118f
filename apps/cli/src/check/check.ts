import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { CliError } from '../errors.ts'
import { painter, printLine } from '../io.ts'
import type { Io } from '../io.ts'
import { ServiceApi } from '../inspect/service-api.ts'
import { Introduction, visitor } from './introduction.ts'
import { readOverMcp } from './mcp-reader.ts'

export interface CheckOptions {
  /** Base URL of a node to be introduced to. */
  readonly coordinator: string
  readonly coordinatorRid?: string | undefined
  /** Address of a producer's service. */
  readonly producer?: string | undefined
  /** The MCP endpoint where what is published is read. */
  readonly mcp?: string | undefined
  readonly key?: string | undefined
  readonly name: string
  /** Seconds for each step. */
  readonly timeout: number
}

const RETRY_MS = 250

/** Uses a running network as its users do, and leaves nothing behind. @throws CliError with the first step that does not work */
export const check = async (options: CheckOptions, io: Io, signal: AbortSignal): Promise<void> => {
  const paint = painter(io, io.stdout)
  const done = (what: string): void => printLine(io.stdout, `${paint('green', 'ok')} ${what}`)
  await handshake(options, signal, done)
  if (options.producer !== undefined) await publication(options, options.producer, io, signal, done)
}

type Done = (what: string) => void

const handshake = async (options: CheckOptions, signal: AbortSignal, done: Done): Promise<void> => {
  const { coordinator, coordinatorRid, key, name } = options
  const inTime = limited(options, signal)
  const introduction = await Introduction.to(coordinator, coordinatorRid, await visitor(name, key), inTime)
  await introduction.greet()
  try {
    await until(
      `${introduction.host} took the handshake and does not know the node yet`,
      () => introduction.isKnown(),
      inTime,
    )
  } finally {
    await introduction.sayGoodbye(AbortSignal.timeout(options.timeout * 1000))
  }
  done(`handshake with ${introduction.host}`)
}

const publication = async (
  options: CheckOptions,
  producer: string,
  io: Io,
  signal: AbortSignal,
  done: Done,
): Promise<void> => {
  const token = io.env['KOI_MCP_TOKEN'] ?? io.env['KOI_MCP_SECURITY__PUBLISH_TOKEN']
  const api = new ServiceApi(producer, token)
  const rid = `orn:data-catalog.dataset:${options.name}/${randomUUID()}`
  const contents = {
    name: 'check',
    description: 'Made by koi-mcp check, and forgotten at its end',
    schema: 'none',
    format: 'csv',
    location: 'none',
    update_frequency: 'never',
  }
  await api.post('/publish', { rid, contents }, limited(options, signal))
  done(`published ${rid}`)
  try {
    if (options.mcp !== undefined) await reading(options, { mcp: options.mcp, rid, token }, signal, done)
  } finally {
    await api.post('/forget', { rid }, AbortSignal.timeout(options.timeout * 1000))
  }
  done('forgotten again')
}

interface Wanted {
  readonly mcp: string
  readonly rid: string
  readonly token: string | undefined
}

const reading = async (
  options: CheckOptions,
  { mcp, rid, token }: Wanted,
  signal: AbortSignal,
  done: Done,
): Promise<void> => {
  const inTime = limited(options, signal)
  await until(
    `${mcp} does not have ${rid}`,
    async () => (await readOverMcp(mcp, rid, token, inTime)) !== undefined,
    inTime,
  )
  done(`read over MCP at ${mcp}`)
}

const limited = ({ timeout }: CheckOptions, signal: AbortSignal): AbortSignal =>
  AbortSignal.any([signal, AbortSignal.timeout(timeout * 1000)])

/** @throws CliError with what is still so when the time is over */
const until = async (what: string, isSo: () => Promise<boolean>, signal: AbortSignal): Promise<void> => {
  try {
    while (!(await isSo())) await sleep(RETRY_MS, undefined, { signal })
  } catch (cause) {
    if (!signal.aborted) throw cause
    throw new CliError(`The time is over: ${what}`, { cause })
  }
}
