import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import { Inject } from '@nestjs/common'
import type { CanActivate, ExecutionContext } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import { SERVICE } from '../service/service.ts'
import type { Service } from '../service/service.ts'
import { RequestError } from './http-errors.ts'

/** Lets in who calls from this machine, and who shows the token of `security.publish_token`. */
export class LoopbackOrBearer implements CanActivate {
  readonly #service: Service
  readonly #token: string | undefined
  constructor(@Inject(SERVICE) service: Service) {
    this.#service = service
    this.#token = service.settings.security.publish_token
  }

  canActivate(context: ExecutionContext): boolean {
    if (this.#service.readiness.state === 'starting') throw new RequestError(503, 'The service is starting')
    const request = context.switchToHttp().getRequest<FastifyRequest>()
    const shown = /^bearer +(.+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (shown !== undefined && this.#token !== undefined && sameSecret(shown, this.#token)) return true
    if (shown === undefined && isLocal(request)) return true
    const message =
      this.#token === undefined
        ? 'Only callers on this machine may do this; set security.publish_token (KOI_MCP_SECURITY__PUBLISH_TOKEN) to let others in'
        : 'Show the token: Authorization: Bearer <security.publish_token>'
    throw new RequestError(this.#token === undefined ? 403 : 401, message)
  }
}

/** In a time that says nothing about where they differ. */
function sameSecret(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

/**
 * A caller on this machine, and not a web page that a browser here has open (its Origin is another, or it had its own host name point
 * to this address), nor somebody whom a proxy here forwards.
 */
function isLocal({ socket, headers }: FastifyRequest): boolean {
  const address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
  const isForwarded = ['forwarded', 'x-forwarded-for', 'x-real-ip'].some((name) => headers[name] !== undefined)
  if (!isLoopback(address) || isForwarded || !isLoopback(hostOf(`http://${headers.host ?? ''}`))) return false
  return headers.origin === undefined || isLoopback(hostOf(headers.origin))
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[(.*)\]$/, '$1') : ''
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
