import { Controller, Get, Inject, Query, Res } from '@nestjs/common'
import { RequiredPermissions } from '@koi-mcp/core'
import type { CoordinatorNode } from '@koi-mcp/core'
import {
  numberOf,
  READ_KNOWLEDGE,
  requiredRid,
  RequestError,
  ridOf,
  SERVICE,
  storedBundleText,
  textOf,
  textsOf,
} from '@koi-mcp/platform'
import type { FastifyReply, Query as QueryParameters, Service } from '@koi-mcp/platform'
import { listEntities, listNodes, registryOverview } from './registry.ts'

const PAGE = 100

/** The registry: what is known in the network, by domain and type. */
@Controller('registry')
@RequiredPermissions(READ_KNOWLEDGE)
export class RegistryController {
  readonly #service: Service<CoordinatorNode>
  constructor(@Inject(SERVICE) service: Service<CoordinatorNode>) {
    this.#service = service
  }

  @Get()
  overview() {
    return registryOverview(this.#service.node)
  }

  /** `?domain=` or `?type=` (may be repeated) `&after=` (exclusive) `&limit=` → `{entities, next}`. */
  @Get('entities')
  entities(@Query() query: QueryParameters) {
    const { node } = this.#service
    const types = this.#types(query)
    const limit = numberOf(query, 'limit', PAGE)
    // A domain without types has no entities; to the store, no types means all.
    if (types?.length === 0) return { entities: [], next: null }
    return listEntities(node, { types, after: ridOf(query, 'after'), limit })
  }

  /** `?rid=` → `{rid, origin, seq, manifest, contents}`; the last two as received. */
  @Get('entity')
  async entity(@Query() query: QueryParameters, @Res() reply: FastifyReply): Promise<void> {
    const entity = await this.#service.node.knowledge.read(requiredRid(query))
    if (entity === undefined) {
      throw new RequestError(404, 'The registry has no such RID', [{ path: 'rid', message: 'is not known here' }])
    }
    await reply.type('application/json; charset=utf-8').send(storedBundleText(entity))
  }

  @Get('nodes')
  nodes() {
    return { nodes: listNodes(this.#service.node) }
  }

  /** `undefined` = all. */
  #types(query: QueryParameters): readonly string[] | undefined {
    const domain = textOf(query, 'domain')
    const types = textsOf(query, 'type')
    if (domain === undefined) return types.length === 0 ? undefined : types
    const { extensions } = this.#service.node.registry
    const extension = extensions.get(domain)
    if (extension === undefined) {
      const message = `must be one of ${[...extensions.keys()].join(', ')}`
      throw new RequestError(400, `The parameter domain ${message}`, [{ path: 'domain', message }])
    }
    const own = extension.ridTypes.map(({ name }) => name)
    return types.length === 0 ? own : own.filter((name) => types.includes(name))
  }
}
