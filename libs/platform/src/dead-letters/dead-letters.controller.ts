import { Body, Controller, Get, HttpCode, Inject, Post, Query, Res } from '@nestjs/common'
import type { FastifyReply } from 'fastify'
import { RequiredPermissions } from '@koi-mcp/core'
import { ADMINISTER_NODE } from '../auth/permissions.ts'
import { RequestError } from '../http/http-errors.ts'
import { numberOf } from '../http/query.ts'
import type { Query as QueryParameters } from '../http/query.ts'
import { SERVICE } from '../service/service.ts'
import type { Service } from '../service/service.ts'
import { deadLetterSummary, deadLetterText } from './dead-letter-text.ts'
import type { DeadLetterSummary } from './dead-letter-text.ts'
import { readPlaces } from './places-request.ts'

const PAGE = 100
const MAX_PLACE = Number.MAX_SAFE_INTEGER

/** Events that failed for good, for people and scripts: `koi-mcp dead-letters`. */
@Controller('api')
@RequiredPermissions(ADMINISTER_NODE)
export class DeadLettersController {
  readonly #service: Service
  constructor(@Inject(SERVICE) service: Service) {
    this.#service = service
  }

  /** `?after=` (exclusive) `&limit=` → `{dead_letters, next}`, by place; `next` is the `after` of the next page, or null. */
  @Get('dead-letters')
  async list(@Query() query: QueryParameters): Promise<{ dead_letters: DeadLetterSummary[]; next: number | null }> {
    const limit = numberOf(query, 'limit', PAGE)
    const after = numberOf(query, 'after', 0, MAX_PLACE)
    const letters = await this.#service.node.store.listDeadLetters({ after, limit: limit + 1, contents: false })
    const page = letters.slice(0, limit)
    return {
      dead_letters: page.map(deadLetterSummary),
      next: letters.length > limit ? (page.at(-1)?.place ?? null) : null,
    }
  }

  /** `?place=` → all of one, with its history, manifest and contents; the last two as received. */
  @Get('dead-letter')
  async show(@Query() query: QueryParameters, @Res() reply: FastifyReply): Promise<void> {
    const place = numberOf(query, 'place', 0, MAX_PLACE)
    const [letter] = place === 0 ? [] : await this.#service.node.store.listDeadLetters({ after: place - 1, limit: 1 })
    if (letter?.place !== place)
      throw new RequestError(404, 'No dead letter has this place', [
        { path: 'place', message: 'is that of no dead letter' },
      ])
    await reply.type('application/json; charset=utf-8').send(deadLetterText(letter))
  }

  /** `{places}` → 200 `{replayed: [{place, to}], missing}`: each is handled again, behind what waits in its lane; `to` is its place there. */
  @Post('dead-letters/replay')
  @HttpCode(200)
  async replay(@Body() body: unknown) {
    const { node, log } = this.#service
    const places = readPlaces(body)
    const replayed: { place: number; to: number }[] = []
    for (const place of places) {
      const to = await node.store.replayDeadLetter(place)
      if (to !== undefined) replayed.push({ place, to })
    }
    log.info('dead letters are replayed', { count: replayed.length })
    return {
      replayed,
      missing: missing(
        places,
        replayed.map(({ place }) => place),
      ),
    }
  }

  /** `{places}` → 200 `{dropped, missing}`: they are given up for good. */
  @Post('dead-letters/drop')
  @HttpCode(200)
  async drop(@Body() body: unknown) {
    const { node, log } = this.#service
    const places = readPlaces(body)
    const dropped: number[] = []
    for (const place of places) if (await node.store.dropDeadLetter(place)) dropped.push(place)
    log.info('dead letters were dropped', { count: dropped.length })
    return { dropped, missing: missing(places, dropped) }
  }
}

function missing(asked: readonly number[], found: readonly number[]): readonly number[] {
  return asked.filter((place) => !found.includes(place))
}
