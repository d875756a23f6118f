import { Controller, Get, Inject, Query, Res } from '@nestjs/common'
import type { FastifyReply } from 'fastify'
import { RequiredPermissions } from '@koi-mcp/core'
import type { SearchPage } from '@koi-mcp/core'
import { READ_KNOWLEDGE } from '../auth/permissions.ts'
import { RequestError } from '../http/http-errors.ts'
import { numberOf, requiredRid, ridOf, textOf, textsOf } from '../http/query.ts'
import type { Query as QueryParameters } from '../http/query.ts'
import { SERVICE } from '../service/service.ts'
import type { Service } from '../service/service.ts'
import { storedBundleText } from './bundle-text.ts'
import { followLiveChanges } from './live-changes.ts'
import { streamEvents } from './event-stream.ts'
import { serviceStatus } from './service-status.ts'
import type { ServiceStatus } from './service-status.ts'

const PAGE = 100

/** What this node knows, read-only, for people and scripts: `koi-mcp rids | get | search | watch`. */
@Controller('api')
@RequiredPermissions(READ_KNOWLEDGE)
export class KnowledgeController {
  readonly #service: Service
  constructor(@Inject(SERVICE) service: Service) {
    this.#service = service
  }

  @Get('status')
  status(): Promise<ServiceStatus> {
    return serviceStatus(this.#service)
  }

  /** `?types=` (may be repeated) `&after=` (exclusive) `&limit=` → `{rids, next}`; `next` is the `after` of the next page, or null. */
  @Get('rids')
  async rids(@Query() query: QueryParameters) {
    const limit = numberOf(query, 'limit', PAGE)
    const rids = await this.#service.node.knowledge.listRids({
      types: textsOf(query, 'types'),
      after: ridOf(query, 'after'),
      limit: limit + 1,
    })
    return { rids: rids.slice(0, limit), next: rids.length > limit ? (rids[limit - 1] ?? null) : null }
  }

  /** `?rid=` → `{rid, origin, seq, manifest, contents}`; the last two as received. */
  @Get('bundle')
  async bundle(@Query() query: QueryParameters, @Res() reply: FastifyReply): Promise<void> {
    const rid = requiredRid(query)
    const entity = await this.#service.node.knowledge.read(rid)
    if (entity === undefined) {
      const hint = rid.includes(' ') ? '; in a query a + means a space, write %2B for it' : ''
      throw new RequestError(404, `This node knows no such RID${hint}`, [{ path: 'rid', message: 'is not known here' }])
    }
    await reply.type('application/json; charset=utf-8').send(storedBundleText(entity))
  }

  /** `?q=&types=&limit=&offset=` → `{total, hits: [{rid, score, snippet}]}`, best first. */
  @Get('search')
  async search(@Query() query: QueryParameters): Promise<SearchPage> {
    const text = textOf(query, 'q')
    if (text === undefined)
      throw new RequestError(400, 'The parameter q is missing', [{ path: 'q', message: 'is missing' }])
    return this.#service.node.knowledge.search(text, {
      types: textsOf(query, 'types'),
      limit: numberOf(query, 'limit', 20, 200),
      offset: numberOf(query, 'offset', 0, 1_000_000),
    })
  }

  /** Server-sent events: one `LiveEvent` each. */
  @Get('events')
  events(@Res() reply: FastifyReply): void {
    const { node, readiness } = this.#service
    reply.hijack()
    streamEvents(reply.raw, (listener) => followLiveChanges(node, listener), readiness.draining)
  }
}
