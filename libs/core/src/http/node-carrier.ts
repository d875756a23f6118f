import type { IncomingMessage, ServerResponse } from 'node:http'
import { isEndpointPath, WELL_KNOWN_PATH } from '@koi-mcp/protocol'
import type { Logger } from '../logger.ts'
import { detailReply, jsonReply, unavailableReply } from '../network/node-reply.ts'
import type { NodeReply } from '../network/node-reply.ts'
import { serving } from '../tracing/tracer.ts'
import { FairTurns } from './fair-turns.ts'
import { BodyBudget, readBody } from './request-body.ts'

/** What is carried; a `KoiNode` fits it. */
export interface Carried {
  /** `from`: the caller's address; those of different ones take turns. */
  handleRequest(path: string, body: Uint8Array, from?: string): Promise<NodeReply>
  /** Throws while the node is not there. */
  wellKnown(): string
}

export interface NodeCarrierOptions {
  readonly node: Carried
  /** The path of the base URL: `/koi-net`. */
  readonly basePath: string
  readonly log: Logger
}

const MIB = 1024 * 1024
const MAX_BODY = 16 * MIB
const BUDGET = { total: 128 * MIB, perSource: 32 * MIB }
/** An address may have so many requests worked on at a time, and so many wait. */
const TURNS = { atOnce: 32, waiting: 512 }
/** A reply that the caller has not taken by then is cut off (a poll's events are leased for as long). */
const SEND_MS = 60_000
/** What is still coming when a request is refused is read and forgotten for so long, so that the caller gets to read why. */
const LINGER_MS = 2_000
const BUSY = { ...detailReply(429, 'Too many requests of this address are waiting, try again'), retryAfter: 1 }
const NO_ROOM = { ...detailReply(429, 'Too many large requests at the same time, try again'), retryAfter: 1 }
const CANNOT_SAY = unavailableReply('This node is starting or stopping, try again', 1)

/**
 * Carries KOI-net over `node:http`: decides by the head of a request whether its body is read, bounds what is held in memory, gives every address its
 * turn, and answers. One for the nodes that open a server of their own and for the services.
 */
export class NodeCarrier {
  readonly #options: NodeCarrierOptions
  readonly #budget = new BodyBudget(BUDGET)
  readonly #turns = new FairTurns(TURNS)

  constructor(options: NodeCarrierOptions) {
    this.#options = options
  }

  /** Answers a request to the node; false, and nothing done, for one to another path. */
  carry(request: IncomingMessage, response: ServerResponse): boolean {
    const path = (request.url ?? '/').split('?', 1)[0] ?? ''
    const { basePath, node } = this.#options
    if (path === WELL_KNOWN_PATH) {
      const isRead = request.method === 'GET' || request.method === 'HEAD'
      this.#send(request, response, isRead ? wellKnown(node) : notAllowed(request, 'GET'))
      return true
    }
    if (!path.startsWith(`${basePath}/`)) return false
    const refusal = refusalByHead(request, path.slice(basePath.length))
    if (refusal === undefined) this.#receive(request, response, path.slice(basePath.length))
    else this.#refuse(request, response, refusal)
    return true
  }

  #receive(request: IncomingMessage, response: ServerResponse, path: string): void {
    const source = addressOf(request)
    void readBody(request, { source, maxBytes: MAX_BODY, budget: this.#budget }).then((body) => {
      if (body === 'aborted') return
      if (body === 'too_large') return this.#refuse(request, response, tooLarge())
      if (body === 'no_room') return this.#refuse(request, response, NO_ROOM)
      const { bytes, release } = body
      const isTaken = this.#turns.take(source, (done) => {
        response.once('close', done)
        // Nobody is there any more.
        if (response.closed) return void (release(), done())
        void this.#answer(request, response, path, bytes).finally(release)
      })
      if (isTaken) return
      release()
      this.#refuse(request, response, BUSY)
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse, path: string, body: Uint8Array): Promise<void> {
    const { node, log } = this.#options
    let reply: NodeReply
    try {
      const work = () => node.handleRequest(path, body, addressOf(request))
      reply = await serving(request.headers, `POST ${path}`, work)
    } catch (error) {
      log.error('a request failed', { path, error })
      reply = detailReply(500, 'Internal Server Error')
    }
    const { finished } = reply
    if (finished !== undefined) {
      const tell = () => {
        finished(response.writableFinished).catch((error: unknown) =>
          log.error('a sent reply could not be noted', { path, error }),
        )
      }
      if (response.closed) tell()
      else response.once('close', tell)
    }
    this.#send(request, response, reply)
  }

  #refuse(request: IncomingMessage, response: ServerResponse, reply: NodeReply): void {
    const { status, body } = reply
    this.#options.log.info('refused a request', {
      from: addressOf(request),
      path: request.url?.slice(0, 200),
      status,
      error: body,
    })
    this.#send(request, response, reply)
  }

  #send(request: IncomingMessage, response: ServerResponse, reply: NodeReply & { readonly allow?: string }): void {
    if (response.closed) return
    response.statusCode = reply.status
    response.setHeader('content-type', reply.contentType)
    response.setHeader('content-length', Buffer.byteLength(reply.body))
    if (reply.retryAfter !== undefined) response.setHeader('retry-after', String(reply.retryAfter))
    if (reply.allow !== undefined) response.setHeader('allow', reply.allow)
    const cut = setTimeout(() => response.destroy(), SEND_MS).unref()
    response.once('close', () => clearTimeout(cut))
    if (request.complete || !hasBody(request)) return void response.end(reply.body)
    response.setHeader('connection', 'close')
    response.write(reply.body)
    lingering(request, () => response.end())
  }
}

function wellKnown(node: Carried): NodeReply {
  try {
    return jsonReply(200, node.wellKnown())
  } catch {
    return CANNOT_SAY
  }
}

/** Why a request is not worth reading. */
function refusalByHead(request: IncomingMessage, path: string): NodeReply | undefined {
  if (!isEndpointPath(path)) return detailReply(404, 'Not Found')
  if (request.method !== 'POST') return notAllowed(request, 'POST')
  // JSON alone: a form or a script-less page of a browser cannot send it to this machine without asking first.
  const type = request.headers['content-type'] ?? ''
  if (!/^application\/json *(;|$)/i.test(type)) {
    return detailReply(415, `The content type must be application/json, is ${JSON.stringify(type.slice(0, 100))}`)
  }
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (!/^identity$/i.test(encoding)) {
    return detailReply(415, `The body must be sent as it is, without Content-Encoding, is ${encoding.slice(0, 100)}`)
  }
  return undefined
}

function notAllowed(request: IncomingMessage, allow: string): NodeReply & { readonly allow: string } {
  return { ...detailReply(405, `The method must be ${allow}, is ${request.method}`), allow }
}

function tooLarge(): NodeReply {
  return detailReply(413, `The body is longer than ${MAX_BODY} bytes`)
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** Reads and forgets what still comes, for a while. Closing at once would reset the connection, and the reply be lost. */
function lingering(request: IncomingMessage, over: () => void): void {
  const end = () => {
    clearTimeout(timer)
    over()
  }
  const timer = setTimeout(() => {
    request.off('close', end).off('end', end)
    over()
  }, LINGER_MS).unref()
  request.once('end', end).once('close', end).resume()
}

function addressOf({ socket }: IncomingMessage): string {
  return (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
}
