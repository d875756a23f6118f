import {
  createMcpHandler,
  isJSONRPCRequest,
  isSpecType,
  ProtocolError,
  ProtocolErrorCode,
} from '@modelcontextprotocol/server'

import type { ChangeFeed } from './change-feed.ts'
import { guardEventStream } from './event-stream.ts'
import { guardedRequest } from './guarded-request.ts'
import { errorResponse } from './http-answers.ts'
import { knowledgeServer } from './knowledge-server.ts'
import type { ServerParts } from './knowledge-server.ts'
import { ListenBus } from './listen-bus.ts'
import type { ListenTargets } from './listen-bus.ts'
import type { RidLookup } from './rid-lookup.ts'
import { checkUri } from './subscription-limits.ts'

export interface ModernHandler {
  fetch(request: Request, parsedBody: unknown): Promise<Response>
  close(): Promise<void>
}

/** Revision 2026-07-28: every request by a server object of its own; changes on streams of `subscriptions/listen`. */
export function modernHandler(options: {
  readonly parts: ServerParts
  readonly feed: ChangeFeed
  readonly lookup: RidLookup
  readonly maxSubscriptions: number
}): ModernHandler {
  const { parts, feed, lookup, maxSubscriptions } = options
  const bus = new ListenBus(feed)
  const sdk = createMcpHandler(() => knowledgeServer(parts), {
    legacy: 'reject',
    bus,
    onerror: (error) => parts.log.debug('MCP: a request was refused', { error: error.message }),
  })

  const targetsOf = async (uris: readonly string[]): Promise<ListenTargets> => {
    if (uris.length > maxSubscriptions || feed.full) {
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        `Subscription limit reached (${maxSubscriptions} a stream): listen to fewer resources`,
      )
    }
    const targets = []
    for (const uri of new Set(uris)) {
      checkUri(uri)
      targets.push({ uri, rid: await lookup.nameOf(uri) })
    }
    return targets
  }

  return {
    async fetch(request, parsedBody) {
      const listening = listenRequest(parsedBody)
      if (listening === undefined) return sdk.fetch(request, { parsedBody })
      try {
        const response = await guardedRequest(parts, 'subscriptions/listen', listening.meta, async () => {
          const targets = await targetsOf(listening.uris)
          return bus.serve(targets, () => sdk.fetch(request, { parsedBody }))
        })
        const streams = response.headers.get('content-type')?.startsWith('text/event-stream') === true
        return streams ? guardEventStream(response, request.signal, () => undefined) : response
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        return errorResponse(200, error.code, error.message, {}, listening.id)
      }
    },
    close: () => sdk.close(),
  }
}

interface ListenRequest {
  readonly id: string | number
  readonly uris: readonly string[]
  readonly meta: Readonly<Record<string, unknown>> | undefined
}

/** What a listen request asks for; `undefined` for any other, and for one that the SDK will refuse. */
function listenRequest(body: unknown): ListenRequest | undefined {
  if (!isJSONRPCRequest(body) || body.method !== 'subscriptions/listen') return undefined
  if (!isSpecType.SubscriptionsListenRequest(body)) return undefined
  const { notifications, _meta: meta } = body.params
  return { id: body.id, uris: notifications.resourceSubscriptions ?? [], meta }
}
