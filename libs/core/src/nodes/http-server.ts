import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { guardedServer } from '../http/guarded-server.ts'
import { NodeCarrier } from '../http/node-carrier.ts'
import type { Carried } from '../http/node-carrier.ts'
import { silentLogger } from '../logger.ts'
import type { Logger } from '../logger.ts'

export interface HttpServer {
  readonly port: number
  /** Stops accepting, lets running requests end for a while, closes idle connections. */
  close(): Promise<void>
}

const NOT_FOUND = '{"detail":"Not Found"}'
/** Requests that run get this long to end. */
const GRACE_MS = 5_000

/** Serves a node on `node:http`, for applications that embed one. `basePath` is the path of the base URL. */
export async function serveNode(
  node: Carried,
  at: { host: string; port: number; basePath: string; log?: Logger },
): Promise<HttpServer> {
  const { log = silentLogger, basePath } = at
  const carrier = new NodeCarrier({ node, basePath, log })
  const server = guardedServer(
    (request, response) => {
      if (carrier.carry(request, response)) return
      response.writeHead(404, { 'content-type': 'application/json', 'content-length': NOT_FOUND.length }).end(NOT_FOUND)
    },
    { log },
  )
  await listening(server, at.host, at.port)
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        const cut = setTimeout(() => server.closeAllConnections(), GRACE_MS)
        server.close(() => {
          clearTimeout(cut)
          resolve()
        })
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
