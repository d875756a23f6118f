import { CliError } from '../errors.ts'
import { painter, printLine } from '../io.ts'
import type { Io } from '../io.ts'
import { printable } from '../output/printable.ts'
import { locate } from './locate.ts'
import type { LookOptions } from './locate.ts'

/** The answer of `/readyz`, as Terminus shapes it. */
interface Readiness {
  readonly details?: {
    readonly service?: { readonly status?: string; readonly message?: string }
    readonly dependencies?: { readonly lost?: readonly string[] }
  }
}

/** Whether the service takes work; rejects where that is not so. What the service does without for a while is said, and is no failure. */
export const health = async (options: LookOptions, io: Io, signal: AbortSignal): Promise<void> => {
  const api = await locate({ ...options, url: options.url ?? ownUrl(io) }, io)
  const { status, body } = await api.answer('/readyz', signal)
  if (options.json) printLine(io.stdout, body)
  const { details = {} } = readinessOf(body)
  if (status !== 200) {
    throw new CliError(
      `${api.base} is not ready: ${printable(details.service?.message ?? `it answered HTTP ${status}`)}`,
    )
  }
  if (options.json) return
  const lost = details.dependencies?.lost ?? []
  const paint = painter(io, io.stdout)
  const state = lost.length === 0 ? 'ready' : `ready, degraded: without ${lost.map(printable).join(', ')}`
  printLine(io.stdout, paint(lost.length === 0 ? 'green' : 'yellow', state))
}

/** In a container, the service that runs there. */
const ownUrl = ({ env }: Io): string | undefined => {
  const port = env['KOI_MCP_NODE__PORT']
  return port === undefined || port === '' ? undefined : `http://127.0.0.1:${port}`
}

const readinessOf = (body: string): Readiness => {
  try {
    return JSON.parse(body) as Readiness
  } catch {
    return {}
  }
}
