import { Controller, Get, Inject, Post, Req, Res } from '@nestjs/common'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { RequestError } from '../http/http-errors.ts'
import { SERVICE } from '../service/service.ts'
import type { Service } from '../service/service.ts'

const BASE_PATH = '/koi-net'

/** Carries KOI-net: the bytes of a request to the node, and its reply to the caller. */
@Controller()
export class KoiNetController {
  readonly #service: Service
  constructor(@Inject(SERVICE) service: Service) {
    this.#service = service
  }

  @Post('koi-net/*')
  async handle(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { node, log } = this.#service
    const path = request.url.slice(BASE_PATH.length).split('?', 1)[0] ?? ''
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
    const { status, contentType, retryAfter, body: text, finished } = await node.handleRequest(path, body)
    if (finished !== undefined) {
      const tell = () => {
        finished(reply.raw.writableFinished).catch((error: unknown) =>
          log.error('a sent reply could not be noted', { error }),
        )
      }
      if (reply.raw.closed) tell()
      else reply.raw.once('close', tell)
    }
    if (retryAfter !== undefined) void reply.header('retry-after', String(retryAfter))
    await reply.code(status).type(contentType).send(text)
  }

  /** Which node listens here: ours, beside the protocol. */
  @Get('.well-known/koi-net.json')
  async wellKnown(@Res() reply: FastifyReply): Promise<void> {
    if (this.#service.readiness.state === 'starting') throw new RequestError(503, 'The service is starting')
    await reply.type('application/json').send(this.#service.node.wellKnown())
  }
}
