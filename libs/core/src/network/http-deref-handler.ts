import { defineRidType, parseContents, ProtocolError } from '@koi-mcp/protocol'
import type { Contents, Rid } from '@koi-mcp/protocol'
import type { HttpExchange } from './http-exchange.ts'
import { HttpExchangeError } from './http-exchange.ts'
import type { DerefHandler } from './resolver.ts'

/**
 * RIDs that are web addresses, dereferenced to the JSON object found there (the reference's `HTTPDerefHandler`). Not registered by default: it
 * calls whatever address an RID names, within the node's address policy; redirects are not followed.
 */
export class HttpDerefHandler implements DerefHandler {
  readonly name = 'http'
  readonly ridTypes = [defineRidType('http'), defineRidType('https')]
  readonly #http: Pick<HttpExchange, 'get'>

  constructor(http: Pick<HttpExchange, 'get'>) {
    this.#http = http
  }

  async deref(rid: Rid, signal: AbortSignal): Promise<Contents | undefined> {
    try {
      const { status, body } = await this.#http.get(rid, signal)
      return status === 200 ? parseContents(Buffer.from(body).toString('utf8')) : undefined
    } catch (error) {
      if (error instanceof HttpExchangeError || error instanceof ProtocolError) return undefined
      throw error
    }
  }
}
