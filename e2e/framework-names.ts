import {
  AuthError,
  AuthManager,
  ConsumerNode,
  CoordinatorNode,
  DomainExtension,
  HandlerType,
  KoiMcpRegistry,
  KoiNode,
  openSqliteStore,
  PermanentError,
  ProducerNode,
  RequiredPermissions,
  RobustKnowledgeHandler,
  SchemaRegistry,
  SecureCoordinatorNode,
  STOP_CHAIN,
  TransientError,
} from '@koi-mcp/core'
import type {
  CoordinatorOptions,
  KnowledgeAdapter,
  KnowledgeProcessor,
  NodeOptions,
  NodeStore,
  SecureCoordinatorOptions,
  StoredBundle,
} from '@koi-mcp/core'
import {
  DataCatalogExtension,
  DataSchemaDefinition,
  DataSchemaRID,
  DatasetAdapter,
  DatasetMetadata,
  DatasetRID,
} from '@koi-mcp/data-catalog'
import {
  createLogger,
  DomainSettings,
  KoiMcpSettings,
  loadSettings,
  NetworkSettings,
  ObservableAdapter,
  PersistenceSettings,
  PrometheusMetrics,
  runService,
  SecuritySettings,
  TOKEN_PROVIDERS,
} from '@koi-mcp/platform'
import { createConsumerFromConfig } from '../apps/mcp-gateway/src/mcp-gateway.ts'
import { createCoordinatorFromConfig } from '../apps/coordinator/src/coordinator.ts'
import { createProducerFromConfig } from '../apps/producer/src/producer.ts'

/** The issue whose work is done: names due up to it must be here. */
export const DELIVERED = 4
/** The issue that is in work: of its names those that are here already are tested, too. */
export const IN_WORK = 6

export interface FrameworkName {
  /** As the document that this product was asked for by writes it. */
  readonly name: string
  /** The issue that delivers it. */
  readonly issue: number
  /** Gives what stands for it here; `undefined` is missing. Names of types are checked by the compiler. Absent: not delivered yet. */
  readonly here?: () => unknown
}

/** The name of a member of a type, which only the compiler can look up. */
const memberOf =
  <T>() =>
  (name: keyof T) =>
  () =>
    name

const ofExtension = Object.getOwnPropertyDescriptors(DomainExtension.prototype)
const anExtension = new DataCatalogExtension()
const aRegistry = new KoiMcpRegistry()
const aSchemaRegistry = new SchemaRegistry()
const optionOf = memberOf<NodeOptions>()
const coordinatorOptionOf = memberOf<CoordinatorOptions>()
/** The counter that an observable adapter makes under this name. */
const adapterCounterNamed = (name: string) => {
  const metrics = new PrometheusMetrics()
  new ObservableAdapter(new DatasetAdapter(), metrics)
  return metrics.definitions.find((definition) => definition.name === name)
}

const adapterMember = memberOf<KnowledgeAdapter>()

export const FRAMEWORK_NAMES: readonly FrameworkName[] = [
  // Domain extension framework
  { name: 'DomainExtension', issue: 3, here: () => DomainExtension },
  { name: 'DomainExtension.name', issue: 3, here: () => anExtension.name },
  { name: 'DomainExtension.rid_types', issue: 3, here: () => ofExtension.ridTypes.get },
  { name: 'DomainExtension.schemas', issue: 3, here: () => ofExtension.schemas.get },
  { name: 'DomainExtension.adapters', issue: 3, here: () => ofExtension.adapters.get },
  { name: 'DomainExtension.register_handlers', issue: 3, here: () => ofExtension.registerHandlers.value },

  // Plugin architecture
  { name: 'KoiMcpRegistry', issue: 3, here: () => KoiMcpRegistry },
  { name: 'KoiMcpRegistry.extensions', issue: 3, here: () => aRegistry.extensions },
  { name: 'KoiMcpRegistry.rid_types', issue: 3, here: () => aRegistry.ridTypes },
  { name: 'KoiMcpRegistry.schemas', issue: 3, here: () => aRegistry.schemas },
  { name: 'KoiMcpRegistry.adapters', issue: 3, here: () => aRegistry.adapters },
  { name: 'KoiMcpRegistry.register_extension', issue: 3, here: () => aRegistry.registerExtension },
  { name: 'KoiMcpRegistry.configure_node', issue: 3, here: () => aRegistry.configureNode },

  // Nodes
  { name: 'CoordinatorNode', issue: 3, here: () => CoordinatorNode },
  { name: 'CoordinatorNode(name)', issue: 3, here: coordinatorOptionOf('name') },
  { name: 'CoordinatorNode(base_url)', issue: 3, here: coordinatorOptionOf('baseUrl') },
  { name: 'CoordinatorNode(registry_port)', issue: 4, here: coordinatorOptionOf('registryPort') },
  { name: 'CoordinatorNode(domains)', issue: 3, here: coordinatorOptionOf('domains') },
  { name: 'CoordinatorNode.server', issue: 3, here: () => KoiNode.prototype.handleRequest.bind(undefined) },
  { name: 'CoordinatorNode.registry', issue: 3, here: memberOf<CoordinatorNode>()('registry') },
  { name: 'CoordinatorNode.adapters', issue: 3, here: memberOf<CoordinatorNode>()('adapters') },
  { name: 'CoordinatorNode.processor', issue: 3, here: memberOf<CoordinatorNode>()('processor') },
  { name: 'ProducerNode', issue: 3, here: () => ProducerNode },
  { name: 'ProducerNode(name)', issue: 3, here: optionOf('name') },
  { name: 'ProducerNode(base_url)', issue: 3, here: optionOf('baseUrl') },
  { name: 'ProducerNode(domains)', issue: 3, here: optionOf('domains') },
  { name: 'ProducerNode(first_contact)', issue: 3, here: optionOf('firstContact') },
  { name: 'ProducerNode.publish', issue: 3, here: () => ProducerNode.prototype.publish.bind(undefined) },
  { name: 'consumer node', issue: 3, here: () => ConsumerNode },
  { name: 'node.start', issue: 3, here: () => KoiNode.prototype.start.bind(undefined) },
  { name: 'node.shutdown', issue: 4, here: () => KoiNode.prototype.shutdown.bind(undefined) },

  // Schemas
  { name: 'SchemaRegistry', issue: 3, here: () => SchemaRegistry },
  { name: 'SchemaRegistry.schemas', issue: 3, here: () => aSchemaRegistry.names },
  { name: 'SchemaRegistry.register_schema', issue: 3, here: () => aSchemaRegistry.registerSchema.bind(undefined) },
  { name: 'SchemaRegistry.register_transformer', issue: 3, here: () => aSchemaRegistry.registerTransformer },
  { name: 'SchemaRegistry.transform', issue: 3, here: () => aSchemaRegistry.transform.bind(undefined) },

  // Adapters
  { name: 'adapter.ridTypes (can_handle)', issue: 3, here: adapterMember('ridTypes') },
  { name: 'adapter.register', issue: 3, here: adapterMember('register') },
  { name: 'ObservableAdapter', issue: 6, here: () => ObservableAdapter },
  {
    name: 'ObservableAdapter.register_with_metrics',
    issue: 6,
    here: () => ObservableAdapter.prototype.registerWithMetrics.bind(undefined),
  },
  {
    name: 'PrometheusMetrics.create_counter',
    issue: 6,
    here: () => PrometheusMetrics.prototype.createCounter.bind(undefined),
  },
  ...(['registrations', 'queries', 'errors'] as const).map((what) => ({
    name: `adapter_${what}_total`,
    issue: 6,
    here: () => adapterCounterNamed(`adapter_${what}_total`),
  })),

  // Handlers, errors and retries
  { name: 'HandlerType.RID', issue: 3, here: () => HandlerType.Rid },
  { name: 'processor.register_handler', issue: 3, here: memberOf<KnowledgeProcessor>()('registerHandler') },
  { name: 'STOP_CHAIN', issue: 3, here: () => STOP_CHAIN },
  { name: 'RobustKnowledgeHandler', issue: 3, here: () => RobustKnowledgeHandler },
  { name: 'RobustKnowledgeHandler.max_retries', issue: 3, here: memberOf<RobustKnowledgeHandler>()('maxRetries') },
  {
    name: 'RobustKnowledgeHandler.backoff_factor',
    issue: 3,
    here: memberOf<RobustKnowledgeHandler>()('backoffFactor'),
  },
  { name: 'RobustKnowledgeHandler.handle', issue: 3, here: memberOf<RobustKnowledgeHandler>()('handle') },
  {
    name: 'RobustKnowledgeHandler.handle_with_retry',
    issue: 3,
    here: () => RobustKnowledgeHandler.prototype.handleWithRetry.bind(undefined),
  },
  {
    name: 'RobustKnowledgeHandler.handle_failure',
    issue: 3,
    here: () => RobustKnowledgeHandler.prototype.handleFailure.bind(undefined),
  },
  { name: 'TransientError', issue: 3, here: () => TransientError },
  { name: 'PermanentError', issue: 3, here: () => PermanentError },

  // Authentication and authorization
  { name: 'SecureCoordinatorNode', issue: 6, here: () => SecureCoordinatorNode },
  {
    name: 'SecureCoordinatorNode(auth_config)',
    issue: 6,
    here: memberOf<SecureCoordinatorOptions>()('authConfig'),
  },
  {
    name: 'SecureCoordinatorNode.auth_middleware',
    issue: 6,
    here: memberOf<SecureCoordinatorNode>()('authMiddleware'),
  },
  {
    name: 'SecureCoordinatorNode.authorize',
    issue: 6,
    here: () => SecureCoordinatorNode.prototype.authorize.bind(undefined),
  },
  { name: 'AuthManager', issue: 6, here: () => AuthManager },
  { name: 'AuthManager.validate_token', issue: 6, here: () => AuthManager.prototype.validateToken.bind(undefined) },
  { name: 'AuthError', issue: 6, here: () => AuthError },
  { name: 'required_permissions', issue: 6, here: () => RequiredPermissions },
  { name: 'auth_provider: jwt', issue: 6, here: () => TOKEN_PROVIDERS.jwt },
  { name: 'auth_provider: oauth', issue: 6, here: () => TOKEN_PROVIDERS.oauth },

  // Persistence and recovery
  { name: 'PersistentCoordinatorNode', issue: 5 },
  { name: 'PersistentCoordinatorNode(storage_config)', issue: 5 },
  {
    name: 'PersistentCoordinatorNode.recover_state',
    issue: 4,
    here: () => KoiNode.prototype.recoverState.bind(undefined),
  },
  { name: 'PersistentCoordinatorNode.handle_bundle', issue: 3, here: memberOf<NodeStore>()('apply') },
  { name: 'StorageProvider.create', issue: 5 },
  { name: 'storage.load_all', issue: 3, here: memberOf<NodeStore>()('listBundles') },
  { name: 'storage.store', issue: 3, here: memberOf<NodeStore>()('apply') },
  { name: 'storage_type: file', issue: 3, here: () => openSqliteStore },
  { name: 'storage_type: redis', issue: 5 },
  { name: 'storage_type: postgres', issue: 5 },
  { name: 'entity', issue: 3, here: memberOf<StoredBundle>()('bundle') },

  // Domains
  { name: 'DataCatalogExtension', issue: 3, here: () => DataCatalogExtension },
  { name: 'DataCatalogExtension.name', issue: 3, here: () => anExtension.name },
  { name: 'DatasetRID', issue: 3, here: () => DatasetRID },
  { name: 'DataSchemaRID', issue: 3, here: () => DataSchemaRID },
  { name: 'DatasetMetadata', issue: 3, here: () => DatasetMetadata },
  ...(['name', 'description', 'schema', 'format', 'location', 'update_frequency'] as const).map((field) => ({
    name: `DatasetMetadata(${field})`,
    issue: 3,
    here: memberOf<DatasetMetadata>()(field),
  })),
  { name: 'DataSchemaDefinition', issue: 3, here: () => DataSchemaDefinition },
  { name: 'DatasetAdapter', issue: 3, here: () => DatasetAdapter },
  { name: 'ServiceRegistryExtension', issue: 7 },
  { name: 'ServiceRegistryExtension.name', issue: 7 },
  { name: 'ServiceRID', issue: 7 },
  { name: 'EndpointRID', issue: 7 },
  { name: 'agent personality', issue: 7 },

  // Configuration; its keys stand in SETTINGS
  { name: 'KoiMcpSettings', issue: 3, here: () => KoiMcpSettings },
  { name: 'NetworkSettings', issue: 3, here: () => NetworkSettings },
  { name: 'PersistenceSettings', issue: 3, here: () => PersistenceSettings },
  { name: 'SecuritySettings', issue: 3, here: () => SecuritySettings },
  { name: 'DomainSettings', issue: 3, here: () => DomainSettings },
  { name: 'KoiMcpSettings.parse_file', issue: 3, here: () => loadSettings },

  // Entry point; its flags stand in the test
  { name: 'entrypoint', issue: 3, here: () => runService },
  { name: 'setup_signal_handlers', issue: 3, here: () => runService },
  { name: 'setup_logging', issue: 3, here: () => createLogger },
  { name: 'create_coordinator_from_config', issue: 4, here: () => createCoordinatorFromConfig },
  { name: 'create_producer_from_config', issue: 4, here: () => createProducerFromConfig },
  { name: 'create_consumer_from_config', issue: 4, here: () => createConsumerFromConfig },
  { name: 'embedded', issue: 3, here: optionOf('listen') },
  { name: 'standalone', issue: 3, here: () => runService },
  { name: 'containerised', issue: 6 },
  { name: 'serverless', issue: 7 },
]

/** Each key of the configuration that the document names, with its default there. */
export const SETTINGS: readonly { readonly path: string; readonly value: unknown }[] = [
  { path: 'network.first_contact', value: undefined },
  { path: 'network.connect_timeout', value: 10 },
  { path: 'network.request_timeout', value: 30 },
  { path: 'network.max_retries', value: 3 },
  { path: 'network.backoff_factor', value: 1.5 },
  { path: 'persistence.storage_type', value: 'file' },
  { path: 'persistence.storage_path', value: '.koi/storage' },
  { path: 'persistence.ttl', value: undefined },
  { path: 'security.enable_auth', value: false },
  { path: 'security.auth_provider', value: 'none' },
  { path: 'security.auth_config', value: {} },
  { path: 'domains.data_catalog.enabled', value: true },
  { path: 'domains.data_catalog.config', value: {} },
]
