export type { FastifyReply, FastifyRequest } from 'fastify'
export { Access } from './auth/access.ts'
export { createTokenVerifier, TOKEN_PROVIDERS } from './auth/auth-manager-of.ts'
export type { TokenVerifierOptions } from './auth/auth-manager-of.ts'
export { isLoopback } from './auth/local-caller.ts'
export { OpenWhere } from './auth/open-to.ts'
export { READ_KNOWLEDGE } from './auth/permissions.ts'
export { TokenSettings } from './auth/token-settings.ts'
export { BackupController } from './backup/backup.controller.ts'
export { loadSettings } from './config/load-settings.ts'
export type { SettingsSources } from './config/load-settings.ts'
export { nodeOptions } from './config/node-options.ts'
export {
  DomainSettings,
  KoiMcpSettings,
  LoggingSettings,
  MetricsSettings,
  NetworkSettings,
  NodeSettings,
  PersistenceSettings,
  QueueSettings,
  SecuritySettings,
} from './config/settings.ts'
export { SettingsError } from './config/settings-error.ts'
export type { SettingsProblem } from './config/settings-error.ts'
export { DeadLettersController } from './dead-letters/dead-letters.controller.ts'
export { HealthModule } from './health/health.module.ts'
export { RequestError } from './http/http-errors.ts'
export { numberOf, requiredRid, ridOf, textOf, textsOf } from './http/query.ts'
export type { Query } from './http/query.ts'
export { storedBundleText } from './knowledge/bundle-text.ts'
export type { LiveEvent } from './knowledge/live-event.ts'
export { KnowledgeController } from './knowledge/knowledge.controller.ts'
export { createLogger } from './logs/create-logger.ts'
export { ObservableAdapter } from './metrics/observable-adapter.ts'
export { PrometheusMetrics } from './metrics/prometheus-metrics.ts'
export type { ServiceMetrics } from './metrics/service-metrics.ts'
export { PublishController } from './publish/publish.controller.ts'
export { runService } from './service/run-service.ts'
export type { ServiceDefinition } from './service/run-service.ts'
export { SERVICE } from './service/service.ts'
export type { Role, Service } from './service/service.ts'
export { ServiceModule } from './service/service.module.ts'
export type { NodeHappening, PublishingNode, ServiceNode } from './service/service-node.ts'
export { startService } from './service/start-service.ts'
export type { Assembly, Companion, NodeContext, RunningService, ServiceParts } from './service/start-service.ts'
