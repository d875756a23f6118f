import { Controller, Get, HttpCode, Inject } from '@nestjs/common'
import { HealthCheckService, HealthIndicatorService } from '@nestjs/terminus'
import type { HealthCheckResult } from '@nestjs/terminus'
import { OpenToAll } from '../auth/open-to.ts'
import { SERVICE } from '../service/service.ts'
import type { Service } from '../service/service.ts'
import { lostDependencies } from './lost-dependencies.ts'

/** `/livez`: the process answers. `/readyz`: send it work; not ready only while starting or draining. */
@Controller()
@OpenToAll()
export class HealthController {
  readonly #service: Service
  readonly #health: HealthCheckService
  readonly #indicators: HealthIndicatorService
  constructor(
    @Inject(SERVICE) service: Service,
    @Inject(HealthCheckService) health: HealthCheckService,
    @Inject(HealthIndicatorService) indicators: HealthIndicatorService,
  ) {
    this.#service = service
    this.#health = health
    this.#indicators = indicators
  }

  @Get('livez')
  @HttpCode(200)
  livez(): Promise<HealthCheckResult> {
    return this.#health.check([])
  }

  /** A lost dependency shows as `degraded` and the answer stays 200: unready replicas everywhere would mean refused connections. */
  @Get('readyz')
  readyz(): Promise<HealthCheckResult> {
    return this.#health.check([() => this.#state(), () => this.#dependencies()])
  }

  #state() {
    const { state } = this.#service.readiness
    const indicator = this.#indicators.check('service')
    return state === 'ready' ? indicator.up() : indicator.down(state)
  }

  async #dependencies() {
    const indicator = this.#indicators.check('dependencies')
    if (this.#service.readiness.state !== 'ready') return indicator.up()
    const lost = await lostDependencies(this.#service)
    return lost.length === 0 ? indicator.up() : indicator.degraded({ lost })
  }
}
