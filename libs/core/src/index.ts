export { AuthError } from './auth/auth-error.ts'
export type { AuthErrorCode, AuthErrorDetails } from './auth/auth-error.ts'
export { AuthManager } from './auth/auth-manager.ts'
export type { AuthConfig, TokenVerifier, VerifiedToken } from './auth/auth-manager.ts'
export { bearerToken, checkPermissions } from './auth/auth-user.ts'
export type { AuthUser } from './auth/auth-user.ts'
export { RequiredPermissions, requiredPermissionsOf } from './auth/required-permissions.ts'
export { BackupError, readManifest } from './backup/backup-manifest.ts'
export type { BackupManifest, BackupPart } from './backup/backup-manifest.ts'
export { checkBackup, restoreBackup } from './backup/restore-backup.ts'
export type { RestoreOptions } from './backup/restore-backup.ts'
export { fillBackupOfStopped } from './backup/stopped-node.ts'
export { placeBackup } from './backup/write-backup.ts'
export { systemClock } from './clock.ts'
export type { Clock } from './clock.ts'
export { AdapterRunner } from './domain/adapter-runner.ts'
export type { AdapterRunnerOptions, KnowledgeLog } from './domain/adapter-runner.ts'
export { ToolInputError } from './domain/adapter.ts'
export type {
  AdapterTool,
  JsonSchemaObject,
  KnowledgeAdapter,
  ResourceDescription,
  ToolContext,
} from './domain/adapter.ts'
export { DomainExtension } from './domain/domain-extension.ts'
export { PermanentError, TransientError } from './domain/handler-errors.ts'
export type { HandlerErrorOptions } from './domain/handler-errors.ts'
export { KoiMcpRegistry } from './domain/koi-mcp-registry.ts'
export { RobustKnowledgeHandler } from './domain/robust-knowledge-handler.ts'
export type { RobustHandlerOptions } from './domain/robust-knowledge-handler.ts'
export { SchemaError } from './domain/schema-problems.ts'
export { SchemaRegistry } from './domain/schema-registry.ts'
export type {
  SchemaClass,
  SchemaDefinition,
  SchemaRegistration,
  TransformerRegistration,
} from './domain/schema-registry.ts'
export { FAULT_STEPS } from './fault-points.ts'
export type { FaultPoint, Faults } from './fault-points.ts'
export { NetworkGraph } from './graph/network-graph.ts'
export type { NodeGraph } from './graph/node-graph.ts'
export { guardedServer } from './http/guarded-server.ts'
export { NodeCarrier } from './http/node-carrier.ts'
export type { Carried } from './http/node-carrier.ts'
export { KeyFileError } from './identity/key-file.ts'
export type { NodeIdentity } from './identity/node-identity.ts'
export { Expiry } from './knowledge/expiry.ts'
export type { ExpiryOptions } from './knowledge/expiry.ts'
export type { FollowKnowledge, KnowledgeChange, KnowledgeReader } from './knowledge/knowledge-reader.ts'
export { TimeToLive } from './knowledge/time-to-live.ts'
export { silentLogger } from './logger.ts'
export type { LogFields, Logger } from './logger.ts'
export type {
  ArrivalWay,
  DeliveryOutcome,
  EventRefusal,
  HandledResult,
  NodeObserver,
  RequestRefusal,
} from './node-observer.ts'
export { FirstContactError } from './network/first-contact.ts'
export { HttpDerefHandler } from './network/http-deref-handler.ts'
export type { NodeReply } from './network/node-reply.ts'
export { PeerError } from './network/peer-client.ts'
export type { PeerClient, PeerErrorCode } from './network/peer-client.ts'
export type { DerefHandler, DerefOptions } from './network/resolver.ts'
export { ConsumerNode } from './nodes/consumer-node.ts'
export { CoordinatorNode } from './nodes/coordinator-node.ts'
export type { CoordinatorOptions } from './nodes/coordinator-node.ts'
export { serveNode } from './nodes/http-server.ts'
export type { HttpServer } from './nodes/http-server.ts'
export { KoiNode } from './nodes/koi-node.ts'
export type { Published, PublishOptions } from './nodes/koi-node.ts'
export { nodeEventOf } from './nodes/node-event.ts'
export type { NodeEvent } from './nodes/node-event.ts'
export type { NetworkOptions, NodeOptions, QueueContext, SecurityOptions, StoreContext } from './nodes/node-options.ts'
export { NodeStateError } from './nodes/open-state.ts'
export { rotateKey } from './nodes/rotate-key.ts'
export type { RotatedKey } from './nodes/rotate-key.ts'
export { ProducerNode } from './nodes/producer-node.ts'
export { SecureCoordinatorNode } from './nodes/secure-coordinator-node.ts'
export type { Endpoint, SecureCoordinatorOptions } from './nodes/secure-coordinator-node.ts'
export { PublishError } from './nodes/publishing.ts'
export type { Publishable } from './nodes/publishing.ts'
export { HandlerChain } from './pipeline/handler-chain.ts'
export { HandlerType, STOP_CHAIN } from './pipeline/handler.ts'
export type {
  HandlerFilter,
  HandlerFunction,
  HandlerResult,
  KnowledgeProcessor,
  ProcessorContext,
  StopChain,
} from './pipeline/handler.ts'
export { registerCoordinatorHandlers, registerDefaultHandlers } from './pipeline/handlers/default-handlers.ts'
export { InboxWorker } from './pipeline/inbox-worker.ts'
export type { KnowledgeObject } from './pipeline/knowledge-object.ts'
export type { AuthorityMode } from './security/authority.ts'
export { Pipeline } from './pipeline/pipeline.ts'
export { Subscriptions } from './pipeline/subscriptions.ts'
export type { Share, ShareHolder, Shares } from './sources/share.ts'
export { SourceShares } from './sources/source-shares.ts'
export type { SourceSharesOptions } from './sources/source-shares.ts'
export { WholeSource } from './sources/whole-source.ts'
export type { TakeOptions } from './store/delivery-tables.ts'
export type { Wake } from './store/group-commit.ts'
export { isSentAsItWas, laneOfArrival } from './store/lanes.ts'
export { LeaseLostError, NETWORK_LANE, NO_EMISSIONS, StoreError } from './store/node-store.ts'
export type {
  Accepted,
  AppliedChange,
  CacheChange,
  Change,
  DeadLetter,
  DeliveryBatch,
  DueTarget,
  Emissions,
  FailedAttempt,
  LaneLease,
  LapsedTarget,
  ListOptions,
  NamedLease,
  NewArrival,
  NodeStore,
  OnceKey,
  OutboxTargetState,
  PendingArrival,
  SearchPage,
  Settled,
  StateReference,
  StoredBundle,
  TakenLane,
} from './store/node-store.ts'
export { stampOwn } from './store/own-stamps.ts'
export { documentTokens, snippetOf } from './store/search-document.ts'
export type { SearchOptions } from './store/search-index.ts'
export { searchTerms } from './store/search-tokens.ts'
export {
  asNew,
  cachedBundle,
  deadLetter,
  pendingArrival,
  storedBundle,
  storedManifest,
  textToSend,
} from './store/stored-rows.ts'
export type { ArrivalRow, CacheRow, DeadLetterRow } from './store/stored-rows.ts'
export { openSqliteStore } from './store/sqlite-store.ts'
export type { SqliteStoreOptions } from './store/sqlite-store.ts'
export { storeQueue, WORK_KINDS } from './store/work-queue.ts'
export type { JobCounts, WorkKind, WorkQueue, WorkTaker } from './store/work-queue.ts'
export { TraceBook } from './tracing/trace-book.ts'
export { isTracing, spanning, traceOf } from './tracing/tracer.ts'
