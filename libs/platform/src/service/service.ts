import type { Logger } from '@koi-mcp/core'
import type { KoiMcpSettings } from '../config/settings.ts'
import type { ServiceMetrics } from '../metrics/service-metrics.ts'
import type { Readiness } from './readiness.ts'
import type { ServiceNode } from './service-node.ts'

export type Role = 'coordinator' | 'producer' | 'consumer'

/** A running service as its controllers see it. */
export interface Service<N extends ServiceNode = ServiceNode> {
  readonly role: Role
  readonly version: string
  readonly node: N
  readonly settings: KoiMcpSettings
  /** `http://host:port`, where this process listens. */
  readonly url: string
  readonly readiness: Readiness
  readonly log: Logger
  /** Absent where `metrics.port` is not set: nothing is counted. */
  readonly metrics?: ServiceMetrics | undefined
}

/** The injection token of the `Service`. */
export const SERVICE = Symbol('SERVICE')
