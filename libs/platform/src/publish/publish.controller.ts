import { Body, Controller, Headers, HttpCode, Inject, Post } from '@nestjs/common'
import { KOI_NET_EDGE, KOI_NET_NODE, ridTypeOf } from '@koi-mcp/protocol'
import { PublishError, RequiredPermissions, SchemaError } from '@koi-mcp/core'
import { PUBLISH_KNOWLEDGE } from '../auth/permissions.ts'
import { RequestError } from '../http/http-errors.ts'
import type { FieldProblem } from '../http/http-errors.ts'
import { checkedRid } from '../http/query.ts'
import { SERVICE } from '../service/service.ts'
import type { Service } from '../service/service.ts'
import type { PublishingNode, ServiceNode } from '../service/service-node.ts'
import { readIdempotencyKey, readJsonObject, readPublication } from './publish-request.ts'

/** Publishing over HTTP. A 200 means that it is durable. */
@Controller()
@RequiredPermissions(PUBLISH_KNOWLEDGE)
export class PublishController {
  readonly #service: Service<ServiceNode & PublishingNode>
  constructor(@Inject(SERVICE) service: Service<ServiceNode & PublishingNode>) {
    this.#service = service
  }

  /** `{rid, contents}` or `{schema, object}` → 200 `{rid, place}`; 400 with the fields at fault. */
  @Post('publish')
  @HttpCode(200)
  async publish(@Body() body: unknown, @Headers('idempotency-key') key: string | string[] | undefined) {
    const publication = readPublication(body)
    const idempotencyKey = readIdempotencyKey(key)
    const { node } = this.#service
    const { names } = node.registry.schemas
    if ('schema' in publication && !names.includes(publication.schema)) {
      const message = `must be one of ${names.join(', ')}`
      throw new RequestError(400, `The field schema ${message}`, [{ path: 'schema', message }])
    }
    try {
      return await node.publish(publication, idempotencyKey === undefined ? {} : { idempotencyKey })
    } catch (error) {
      throw publishProblem(error) ?? error
    }
  }

  /** `{rid}` → 200 `{rid}`: every subscriber is told to forget it. */
  @Post('forget')
  @HttpCode(200)
  async forget(@Body() body: unknown) {
    const { rid: text } = readJsonObject(body)
    if (typeof text !== 'string')
      throw new RequestError(400, 'The body must be {rid}', [{ path: 'rid', message: 'must be text' }])
    const rid = checkedRid(text, 'rid')
    if ([KOI_NET_NODE.name, KOI_NET_EDGE.name].includes(ridTypeOf(rid))) {
      throw new RequestError(400, 'Nodes and edges are kept by the network itself', [
        { path: 'rid', message: 'is of the network' },
      ])
    }
    const origin = (await this.#service.node.knowledge.read(rid))?.origin
    if (origin !== undefined) {
      throw new RequestError(409, `This is knowledge of ${origin}: forget it there`, [
        { path: 'rid', message: 'is not our own' },
      ])
    }
    try {
      await this.#service.node.forget(rid)
    } catch (error) {
      throw publishProblem(error) ?? error
    }
    return { rid }
  }
}

/** What the node says is wrong with the object: `PUBLISH` is one thing, `SCHEMA` a list such as `columns[2].type must be a string`. */
function publishProblem(error: unknown): RequestError | undefined {
  if (error instanceof PublishError) return new RequestError(400, error.message)
  return error instanceof SchemaError
    ? new RequestError(400, error.message, error.problems.map(fieldProblem))
    : undefined
}

function fieldProblem(problem: string): FieldProblem {
  const [, path = '', message = problem] = /^(?:each value in )?(\S+?):? (.+)$/s.exec(problem) ?? []
  return { path, message }
}
