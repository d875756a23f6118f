import type { DynamicModule, INestApplication } from '@nestjs/common'
import type { Logger } from '@koi-mcp/core'
import type { KoiMcpSettings } from '../config/settings.ts'
import { createApp } from '../http/create-app.ts'
import { HttpServer } from '../http/http-server.ts'
import { liveEventOf } from '../knowledge/live-event.ts'
import type { LiveEvent } from '../knowledge/live-event.ts'
import { createLogger } from '../logs/create-logger.ts'
import { MetricsServer } from '../metrics/metrics-server.ts'
import { ServiceMetrics } from '../metrics/service-metrics.ts'
import { Readiness } from './readiness.ts'
import { leaveNote } from './service-note.ts'
import type { Role, Service } from './service.ts'
import type { ServiceNode } from './service-node.ts'
import { VERSION } from './version.ts'

/** Requests that run get this long to end when the service stops. */
const GRACE_MS = 5000

/** What a node is made of that only the running process knows. */
export interface NodeContext {
  readonly settings: KoiMcpSettings
  /** What other nodes call: `node.base_url`, else host and port as they turned out. */
  readonly baseUrl: string
  readonly log: Logger
  /** Absent where `metrics.port` is not set. */
  readonly metrics?: ServiceMetrics | undefined
}

/** Something that runs beside the node: started after it, stopped before it. */
export interface Companion {
  start(): Promise<void>
  stop(): Promise<void>
}

/** What makes one service differ from another. */
export interface ServiceParts<N extends ServiceNode> {
  readonly role: Role
  /** Told of everything that happens in the node, from its first moment. */
  readonly onEvent?: (event: LiveEvent) => void
  createNode(context: NodeContext): N
  assemble(service: Service<N>): Assembly
}

export interface Assembly {
  /** The application's module: its whole wiring. */
  readonly module: DynamicModule
  readonly companions?: readonly Companion[]
  /** More fields of the `ready` message, such as `mcp_url`. */
  readonly ready?: Readonly<Record<string, string>>
}

export interface RunningService<N extends ServiceNode = ServiceNode> {
  readonly service: Service<N>
  /** `{event: 'ready', role, name, url, koi_net_url, node_rid, …}`. */
  readonly ready: Readonly<Record<string, string>>
  /** Drains: `/readyz` says so, nobody new is accepted, what runs ends, the node stops. Never rejects; may be called again. */
  stop(): Promise<void>
}

/**
 * Starts a service: listens, makes the node, serves, starts the node (whose peers may then call back), then what runs beside it. Where one
 * step fails the ones before it are undone.
 */
export async function startService<N extends ServiceNode>(
  parts: ServiceParts<N>,
  settings: KoiMcpSettings,
  log: Logger = createLogger({ ...settings.logging, role: parts.role }),
): Promise<RunningService<N>> {
  const running: Running = { readiness: new Readiness(), companions: [] }
  let stopping: Promise<void> | undefined
  const stop = () => (stopping ??= stopAll(running, log))
  try {
    const http = (running.http = await HttpServer.listen(settings.node, log))
    const metrics = await startMetrics(running, parts.role, settings, log)
    const { host } = settings.node
    const url = `http://${host.includes(':') ? `[${host}]` : host}:${http.port}`
    const node = parts.createNode({ settings, baseUrl: settings.node.base_url ?? `${url}/koi-net`, log, metrics })
    running.node = node
    const { onEvent } = parts
    if (onEvent !== undefined) node.onEvent((event) => onEvent(liveEventOf(event)))
    const { readiness } = running
    const service = { role: parts.role, version: VERSION, node, settings, url, readiness, log, metrics }
    metrics?.show(service)
    const { module, companions = [], ready = {} } = parts.assemble(service)
    running.app = await createApp(module, service, http)
    await node.start()
    for (const companion of companions) {
      running.companions.push(companion)
      await companion.start()
    }
    running.takeNote = await leaveNote(service)
    running.readiness.ready()
    const { rid, name, profile } = node.identity
    const addresses = { url, koi_net_url: profile.base_url ?? `${url}/koi-net`, ...metricsUrl(running) }
    return { service, ready: { event: 'ready', role: parts.role, name, ...addresses, node_rid: rid, ...ready }, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** What has been started so far, and so must be stopped. */
interface Running {
  readonly readiness: Readiness
  readonly companions: Companion[]
  metrics?: MetricsServer
  http?: HttpServer
  node?: ServiceNode
  app?: INestApplication
  /** Takes the note away that says where the service answers. */
  takeNote?: () => Promise<void>
}

/** Before any state is opened, as the service's own port: one that is taken is found first. */
async function startMetrics(
  running: Running,
  role: Role,
  settings: KoiMcpSettings,
  log: Logger,
): Promise<ServiceMetrics | undefined> {
  const { port, host = settings.node.host } = settings.metrics
  if (port === undefined) return undefined
  const metrics = new ServiceMetrics(role, settings)
  running.metrics = await MetricsServer.start({ port, host }, metrics.prometheus, log)
  return metrics
}

function metricsUrl({ metrics }: Running): Readonly<Record<string, string>> {
  return metrics === undefined ? {} : { metrics_url: metrics.url }
}

async function stopAll(
  { readiness, companions, metrics, http, node, app, takeNote }: Running,
  log: Logger,
): Promise<void> {
  readiness.drain()
  const steps = [
    () => takeNote?.(),
    ...companions.toReversed().map((companion) => () => companion.stop()),
    () => http?.close(GRACE_MS),
    () => node?.stop(),
    () => app?.close(),
    // The last: how it ends is to be seen as well.
    () => metrics?.stop(),
  ]
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      log.error('a part of the service did not stop as it should', { error })
    }
  }
}
