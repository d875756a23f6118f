import { CliError, errorCode, messageOf } from '../errors.ts'
import { printable } from '../output/printable.ts'
import { eventStreamData } from './event-stream.ts'

/** Nobody answers at the address. */
export class ServiceUnreachable extends CliError {}

/** The HTTP API that every service offers under `/api`. RIDs travel in the query string, percent-encoded, never in a path. */
export class ServiceApi {
  readonly base: string
  readonly #headers: Readonly<Record<string, string>>

  constructor(base: string, token?: string) {
    this.base = base.replace(/\/+$/u, '')
    this.#headers = token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` }
  }

  /** The body's text as received, so that contents keep every digit. `undefined` on 404. */
  async text(path: string, query: Query, signal: AbortSignal): Promise<string | undefined> {
    const response = await this.#get(path, query, AbortSignal.any([signal, AbortSignal.timeout(REPLY_TIMEOUT_MS)]))
    const body = await response.text()
    if (response.status === 404) return undefined
    if (!response.ok) throw refused(this.base, response.status, body)
    return body
  }

  async json(path: string, query: Query, signal: AbortSignal): Promise<unknown> {
    const text = await this.text(path, query, signal)
    if (text === undefined) throw new CliError(`${this.base} has no ${path}: it is no service of KOI-MCP. ${OTHER_URL}`)
    return JSON.parse(text) as unknown
  }

  /** Status and body as they come, whatever the status is. */
  async answer(path: string, signal: AbortSignal): Promise<{ readonly status: number; readonly body: string }> {
    const response = await this.#get(path, [], AbortSignal.any([signal, AbortSignal.timeout(REPLY_TIMEOUT_MS)]))
    return { status: response.status, body: await response.text() }
  }

  /** The reply to a JSON body. It may be long in coming. */
  async post(path: string, body: object, signal: AbortSignal): Promise<unknown> {
    const headers = { 'content-type': 'application/json' }
    const response = await this.#send(path, { method: 'POST', headers, body: JSON.stringify(body) }, signal)
    const text = await response.text()
    if (!response.ok) throw refused(this.base, response.status, text)
    return JSON.parse(text) as unknown
  }

  /** Resolves when connected, with the live events until the signal or the end of the service. */
  async events(signal: AbortSignal): Promise<AsyncIterable<unknown>> {
    const response = await this.#get('/api/events', [], signal, 'text/event-stream')
    if (!response.ok) throw refused(this.base, response.status, await response.text())
    return parsed(eventStreamData(response.body ?? []))
  }

  async #get(path: string, query: Query, signal: AbortSignal, accept = 'application/json') {
    const parameters = new URLSearchParams(query).toString()
    return this.#send(`${path}${parameters === '' ? '' : `?${parameters}`}`, { headers: { accept } }, signal)
  }

  async #send(path: string, { headers, ...request }: RequestInit, signal: AbortSignal): Promise<Response> {
    try {
      return await fetch(`${this.base}${path}`, {
        ...request,
        headers: { ...this.#headers, ...(headers as Record<string, string>) },
        redirect: 'error',
        signal,
      })
    } catch (error) {
      if (signal.aborted && !isTimeout(signal.reason)) throw signal.reason
      throw unreachable(this.base, error)
    }
  }
}

async function* parsed(texts: AsyncIterable<string>): AsyncGenerator<unknown> {
  for await (const text of texts) yield JSON.parse(text) as unknown
}

/** Parameters by name; one may come more than once. */
type Query = readonly [name: string, value: string][]

const REPLY_TIMEOUT_MS = 30_000
const OTHER_URL = 'Start a network with "koi-mcp up", or name the address of a running one with --url URL.'

const isTimeout = (reason: unknown): boolean => reason instanceof DOMException && reason.name === 'TimeoutError'

const unreachable = (base: string, error: unknown): ServiceUnreachable => {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  const why = errorCode(cause) === 'ECONNREFUSED' ? '' : ` (${messageOf(cause)})`
  return new ServiceUnreachable(`No service answers at ${base}${why}. ${OTHER_URL}`, { cause: error })
}

const refused = (base: string, status: number, body: string): CliError => {
  const says = printable(saysWhat(body) ?? body.slice(0, 200))
  if (status === 401) {
    return new CliError(
      `${base} wants a token (HTTP 401): ${says}. Put one into the variable KOI_MCP_TOKEN, or give --token.`,
    )
  }
  return new CliError(`${base} answered HTTP ${status}: ${says}`)
}

/** The message of an error body of the services. */
const saysWhat = (body: string): string | undefined => {
  try {
    const { message } = JSON.parse(body) as { message?: unknown }
    return typeof message === 'string' ? message : undefined
  } catch {
    return undefined
  }
}
