import { Inject } from '@nestjs/common'
import type { CanActivate, ExecutionContext } from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { requiredPermissionsOf } from '@koi-mcp/core'
import { RequestError } from '../http/http-errors.ts'
import { SERVICE } from '../service/service.ts'
import type { Service } from '../service/service.ts'
import { Access } from './access.ts'
import { OPEN_TO } from './open-to.ts'
import type { OpeningSetting } from './open-to.ts'

/** setTimeout takes no more: some 24 days. */
const LONGEST_MS = 2 ** 31 - 1

/** Stands before every controller of a service. One that says nothing of its access is closed to strangers. */
export class AccessGuard implements CanActivate {
  readonly #service: Service
  readonly #access: Access
  readonly #reflector: Reflector
  constructor(
    @Inject(SERVICE) service: Service,
    @Inject(Access) access: Access,
    @Inject(Reflector) reflector: Reflector,
  ) {
    this.#service = service
    this.#access = access
    this.#reflector = reflector
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const targets = [context.getHandler(), context.getClass()]
    const openTo = this.#reflector.getAllAndOverride<OpeningSetting | 'all' | undefined>(OPEN_TO, targets)
    if (openTo === 'all') return true
    if (this.#service.readiness.state === 'starting') throw new RequestError(503, 'The service is starting')
    const http = context.switchToHttp()
    const demand = { permissions: requiredPermissionsOf(...targets), openedBy: openTo }
    const { expiresAt } = await this.#access.admit(http.getRequest<FastifyRequest>().raw, demand)
    if (expiresAt !== undefined) endWith(expiresAt, http.getResponse<FastifyReply>())
    return true
  }
}

/** No answer goes on behind the end of the token it was asked for with: streams would go on for ever. */
function endWith(expiresAt: number, { raw }: FastifyReply): void {
  const cut = setTimeout(() => raw.destroy(), Math.min(Math.max(0, expiresAt - Date.now()), LONGEST_MS)).unref()
  raw.once('close', () => clearTimeout(cut))
}
