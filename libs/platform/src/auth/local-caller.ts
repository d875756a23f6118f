import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'

/** What tells where a request came from; a request of Fastify or of `node:http` fits it. */
export interface CallerRequest {
  readonly headers: IncomingHttpHeaders
  readonly socket: { readonly remoteAddress?: string | undefined }
}

/**
 * A caller on this machine, and not a web page that a browser here has open (its Origin is another, or it had its own host name point
 * to this address), nor somebody whom a proxy here forwards.
 */
export function isLocal({ socket, headers }: CallerRequest): boolean {
  const address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
  const isForwarded = ['forwarded', 'x-forwarded-for', 'x-real-ip'].some((name) => headers[name] !== undefined)
  if (!isLoopback(address) || isForwarded || !isLoopback(hostOf(`http://${headers.host ?? ''}`))) return false
  return headers.origin === undefined || isLoopback(hostOf(headers.origin))
}

/** Whether a host name or address stands for this machine alone. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[(.*)\]$/, '$1') : ''
}
