import type { IncomingMessage, RequestListener } from 'node:http'
import { NestFactory } from '@nestjs/core'
import type { DynamicModule, INestApplication } from '@nestjs/common'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { context, ROOT_CONTEXT } from '@opentelemetry/api'
import { isTracing, NodeCarrier, traceOf } from '@koi-mcp/core'
import { isEndpointPath, WELL_KNOWN_PATH } from '@koi-mcp/protocol'
import { Access } from '../auth/access.ts'
import { nestLogger } from '../logs/nest-logger.ts'
import type { Service } from '../service/service.ts'
import type { HttpServer } from './http-server.ts'

/** The largest body taken by this service's own API: what may be published at once. */
const MAX_BODY_BYTES = 16 * 1024 * 1024
const KOI_NET_PATH = '/koi-net'

/**
 * NestJS on Fastify on a server that listens already. Bodies reach controllers as the bytes that came (`Buffer`): text is truth. What other nodes
 * send does not pass through Nest: it is carried as in every other node.
 */
export async function createApp(module: DynamicModule, service: Service, http: HttpServer): Promise<INestApplication> {
  const carrier = new NodeCarrier({ node: service.node, basePath: KOI_NET_PATH, log: service.log })
  const { metrics } = service
  /** By which of the application's routes a request was taken. */
  const routes = new WeakMap<IncomingMessage, string | undefined>()
  const adapter = new FastifyAdapter({
    bodyLimit: MAX_BODY_BYTES,
    routerOptions: { maxParamLength: 1024 },
    serverFactory: (handler: RequestListener) => {
      http.serve((request, response) => {
        metrics?.http.follow(request, response, () => routes.get(request) ?? koiNetRoute(request))
        if (!carrier.carry(request, response)) withinCallersTrace(request, () => handler(request, response))
      })
      return http.server
    },
    // The server answers these itself.
    clientErrorHandler: () => undefined,
  })
  const fastify = adapter.getInstance()
  fastify.removeAllContentTypeParsers()
  // JSON alone: a form or a script-less page of a browser cannot send it to this machine without asking first.
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  if (metrics !== undefined) {
    fastify.addHook('onRequest', (request, _reply, done) => {
      routes.set(request.raw, request.routeOptions.url)
      done()
    })
  }
  fastify.addHook('onResponse', (request, reply, done) => {
    const { method, routeOptions } = request
    service.log.debug('answered', {
      method,
      route: routeOptions.url,
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
    })
    done()
  })
  const app = await NestFactory.create(module, adapter, {
    bodyParser: false,
    abortOnError: false,
    logger: nestLogger(service.log),
  })
  const access = app.get(Access)
  // Routes that are open to all take no body.
  fastify.addHook('onRequest', async ({ raw, routeOptions }) => {
    if (routeOptions.url !== undefined && hasBody(raw)) await access.admitBody(raw)
  })
  await app.init()
  await fastify.ready()
  return app
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

function koiNetRoute({ url = '/' }: IncomingMessage): string | undefined {
  const path = url.split('?', 1)[0] ?? ''
  if (path === WELL_KNOWN_PATH) return path
  return path.startsWith(KOI_NET_PATH) && isEndpointPath(path.slice(KOI_NET_PATH.length)) ? path : undefined
}

/** What a route does belongs to the trace that the caller's headers name. */
function withinCallersTrace({ headers }: IncomingMessage, work: () => void): void {
  if (isTracing()) context.with(traceOf(headers, ROOT_CONTEXT), work)
  else work()
}
