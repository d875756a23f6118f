import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WELL_KNOWN_PATH } from '@koi-mcp/protocol'
import type { NodeReply } from '../network/node-reply.ts'

/** What the server carries; a `KoiNode` fits it. */
export interface Served {
  handleRequest(path: string, body: Uint8Array): Promise<NodeReply>
  wellKnown(): string
}

export interface HttpServer {
  readonly port: number
  /** Stops accepting, lets running requests end, closes idle connections. */
  close(): Promise<void>
}

const MAX_BODY = 16 * 1024 * 1024

/** Serves a node on `node:http`, for applications that embed one; the services carry it on NestJS instead. `basePath` is the path of the base URL. */
export async function serveNode(
  node: Served,
  at: { host: string; port: number; basePath: string },
): Promise<HttpServer> {
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (request, response) => {
    answer(node, at.basePath, request, response).catch(() => {
      if (!response.headersSent) response.writeHead(500)
      response.end()
    })
  })
  await listening(server, at.host, at.port)
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
      }),
  }
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

async function answer(
  node: Served,
  basePath: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = request.url ?? '/'
  if (request.method === 'GET' && url === WELL_KNOWN_PATH) {
    response.writeHead(200, { 'content-type': 'application/json' }).end(node.wellKnown())
    return
  }
  if (request.method !== 'POST' || !url.startsWith(`${basePath}/`)) {
    response.writeHead(request.method === 'POST' ? 404 : 405, { 'content-type': 'application/json' })
    response.end('{"detail":"POST to one of the five KOI-net paths"}')
    return
  }
  const body = await readBody(request)
  if (body === undefined) {
    response
      .writeHead(413, { 'content-type': 'application/json', connection: 'close' })
      .end('{"detail":"the body is too large"}')
    return
  }
  const reply = await node.handleRequest(url.slice(basePath.length), body)
  const { finished } = reply
  if (finished !== undefined) {
    response.once('close', () => void finished(response.writableFinished).catch(() => undefined))
  }
  const retry = reply.retryAfter === undefined ? {} : { 'retry-after': String(reply.retryAfter) }
  response.writeHead(reply.status, { 'content-type': reply.contentType, ...retry }).end(reply.body)
}

async function readBody(request: IncomingMessage): Promise<Uint8Array | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_BODY) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
