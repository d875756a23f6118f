import { Body, Controller, Headers, HttpCode, Inject, Post, UseGuards } from '@nestjs/common'
import { LoopbackOrBearer } from '../http/access.ts'
import { RequestError } from '../http/http-errors.ts'
import type { FieldProblem } from '../http/http-errors.ts'
import { checkedRid } from '../http/query.ts'
import { SERVICE } from '../service/service.ts'
import type { Service } from '../service/service.ts'
import type { PublishingNode, ServiceNode } from '../service/service-node.ts'
import { readIdempotencyKey, readJsonObject, readPublication } from './publish-request.ts'

/** Publishing over HTTP, for callers on this machine or with the token. A 200 means that it is durable. */
@Controller()
@UseGuards(LoopbackOrBearer)
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
    try {
      const { rid, place } = await this.#service.node.publish(
        publication,
        idempotencyKey === undefined ? {} : { idempotencyKey },
      )
      return { rid, place }
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
    try {
      await this.#service.node.forget(rid)
    } catch (error) {
      throw publishProblem(error) ?? error
    }
    return { rid }
  }
}

/** What the node says is wrong with the object: `PUBLISH` is one thing, `SCHEMA` a list of fields. */
function publishProblem(error: unknown): RequestError | undefined {
  if (!(error instanceof Error) || !('code' in error) || (error.code !== 'PUBLISH' && error.code !== 'SCHEMA'))
    return undefined
  const { problems = [] } = error as { problems?: readonly FieldProblem[] }
  return new RequestError(
    400,
    error.message,
    problems.map(({ path, message }) => ({ path, message })),
  )
}
