import { IsOptional } from 'class-validator'
import { Must, Setting } from './setting.ts'

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const isNumber = (least: number, most: number) => (value: unknown) =>
  typeof value === 'number' && value >= least && value <= most
const isInteger = (least: number, most: number) => (value: unknown) =>
  Number.isInteger(value) && isNumber(least, most)(value)
const isBoolean = (value: unknown): boolean => typeof value === 'boolean'
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value)
const isOneOf = (choices: readonly string[]) => (value: unknown) => typeof value === 'string' && choices.includes(value)

/** A node's address as its profile shows it: http or https, no query, no fragment, no password. */
function isBaseUrl(value: unknown): boolean {
  if (!isText(value) || !URL.canParse(value)) return false
  const { protocol, username, password, search, hash } = new URL(value)
  return /^https?:$/.test(protocol) && username + password + search + hash === ''
}

/** The name is part of the node's RID, `orn:koi-net.node:<name>+<64 hex digits>`, which has one `+` and at most 187 bytes. */
function isNodeName(value: unknown): boolean {
  return isText(value) && /^[^\s+\p{C}]+$/u.test(value) && Buffer.byteLength(value) <= 100
}

const NODE_RID = /^orn:koi-net\.node:[^+]+\+[0-9a-f]{64}$/
const RID_TYPE = /^(?:\*|(?:orn|urn):[^:]+|(?!(?:orn|urn)$)[^:*]+)$/

function isPeerTypes(value: unknown): boolean {
  if (!isObject(value)) return false
  return Object.entries(value as object).every(
    ([node, types]) =>
      NODE_RID.test(node) && Array.isArray(types) && types.every((type) => isText(type) && RID_TYPE.test(type)),
  )
}

const BASE_URL = 'be an http or https URL without query, fragment and password'
const SECONDS = 'be a number of seconds above 0 and at most 3600'
const isSeconds = isNumber(0.001, 3600)

/** Section `node`: who this process is and where it listens. */
export class NodeSettings {
  @Setting('text', 'coordinator')
  @Must('be a name without spaces, control characters and +, of at most 100 bytes', isNodeName)
  name = 'koi-mcp'

  /** The address that other nodes call; by default made of host and port. */
  @Setting('text', 'http://koi.example.org:9000/koi-net')
  @IsOptional()
  @Must(BASE_URL, isBaseUrl)
  base_url?: string

  /** 0 takes any that is free. */
  @Setting('number', '9000')
  @Must('be a port, a whole number from 0 (any free one) to 65535', isInteger(0, 65_535))
  port = 9000

  @Setting('text', '127.0.0.1')
  @Must('be an address or host name to listen on', isText)
  host = '127.0.0.1'

  /** The node's key, made at the first start where it is not there; by default `private.pem` in `persistence.storage_path`. */
  @Setting('text', '/run/secrets/koi-key/private.pem')
  @IsOptional()
  @Must('be the path of a file', isText)
  private_key_file?: string

  @Setting('text', 'the password, or better a file in node.private_key_password_file')
  @IsOptional()
  @Must('be text', isText)
  private_key_password?: string

  @Setting('text', '/run/secrets/koi-key-password')
  @IsOptional()
  @Must('be the path of a file', isText)
  private_key_password_file?: string
}

/** Section `network`. Times in seconds. */
export class NetworkSettings {
  @Setting('text', 'http://127.0.0.1:9000/koi-net')
  @IsOptional()
  @Must(BASE_URL, isBaseUrl)
  first_contact?: string

  /** Pins who answers there; without it the node trusts on first use. */
  @Setting('text', `orn:koi-net.node:coordinator+${'0a'.repeat(32)}`)
  @IsOptional()
  @Must('be the RID of a node', (value) => isText(value) && NODE_RID.test(value))
  first_contact_rid?: string

  @Setting('number', '10')
  @Must(SECONDS, isSeconds)
  connect_timeout = 10

  @Setting('number', '30')
  @Must(SECONDS, isSeconds)
  request_timeout = 30

  @Setting('number', '3')
  @Must('be a whole number from 0 to 100', isInteger(0, 100))
  max_retries = 3

  @Setting('number', '1.5')
  @Must('be a number from 1 to 10', isNumber(1, 10))
  backoff_factor = 1.5

  /** How far in the future what other nodes tell may be dated. */
  @Setting('number', '86400')
  @Must('be a number of seconds from 1 to 31536000 (a year)', isNumber(1, 31_536_000))
  max_clock_skew = 86_400

  /** How long what a subscriber does not take is kept for it. One that is back later is told the state of then. */
  @Setting('number', '604800')
  @Must('be a number of seconds from 1 to 31536000 (a year)', isNumber(1, 31_536_000))
  delivery_retention = 604_800

  /** Foreign nodes that are taken in; the first contact and listed ones always are. */
  @Setting('number', '10000')
  @Must('be a whole number from 1 to 1000000', isInteger(1, 1_000_000))
  max_nodes = 10_000
}

const isNamespace = (value: unknown) => isText(value) && /^koi_[a-z0-9_]{1,59}$/.test(value)

/** Section `persistence`. What the URLs must be, and when they are needed: `checkBackends`. */
export class PersistenceSettings {
  /** `file`: one process a node, in a folder. `postgres`, `redis`: any number of processes of one node share a server. */
  @Setting('text', 'postgres')
  @Must('be file, redis or postgres', isOneOf(['file', 'redis', 'postgres']))
  storage_type: 'file' | 'redis' | 'postgres' = 'file'

  @Setting('text', 'postgres://koi@localhost/koi')
  @IsOptional()
  @Must('be text', isText)
  postgres_url?: string

  @Setting('text', '/run/secrets/koi-postgres-url')
  @IsOptional()
  @Must('be the path of a file', isText)
  postgres_url_file?: string

  @Setting('text', 'redis://localhost:6379')
  @IsOptional()
  @Must('be text', isText)
  redis_url?: string

  @Setting('text', '/run/secrets/koi-redis-url')
  @IsOptional()
  @Must('be the path of a file', isText)
  redis_url_file?: string

  /** What is this node's own on a server that others use too: its schema, the prefix of its keys. By default made of `node.name`. */
  @Setting('text', 'koi_coordinator')
  @IsOptional()
  @Must('be koi_ and then small letters, digits and _, at most 63 characters', isNamespace)
  namespace?: string

  /** The folder of the node's key, cache and queues; one process owns it at a time. */
  @Setting('text', '.koi/storage')
  @Must('be the path of a folder', isText)
  storage_path = '.koi/storage'

  /** Seconds after which knowledge goes, by the timestamp of its manifest: our own everywhere, that of others here. Absent or null: it stays. */
  @Setting('number', '2592000')
  @IsOptional()
  @Must('be a number of seconds from 1 to 3153600000 (a hundred years), or null', isNumber(1, 3_153_600_000))
  ttl?: number

  /** `full`: what is acknowledged survives a loss of power. `normal`: it survives the end of the process. */
  @Setting('text', 'full')
  @Must('be full or normal', isOneOf(['full', 'normal']))
  durability: 'full' | 'normal' = 'full'
}

/** Section `queue`: what wakes the processes of a node for work, which itself is in the store. */
export class QueueSettings {
  /** `store`: the store's own wake-ups. `bullmq`: jobs of BullMQ on Redis, each taken by one process that has room. */
  @Setting('text', 'bullmq')
  @Must('be store or bullmq', isOneOf(['store', 'bullmq']))
  queue_type: 'store' | 'bullmq' = 'store'

  /** By default `persistence.redis_url`. */
  @Setting('text', 'redis://localhost:6379')
  @IsOptional()
  @Must('be text', isText)
  redis_url?: string

  @Setting('text', '/run/secrets/koi-redis-url')
  @IsOptional()
  @Must('be the path of a file', isText)
  redis_url_file?: string
}

const PEER_TYPES = `{"orn:koi-net.node:gateway+${'0a'.repeat(32)}": ["orn:data-catalog.dataset"]}`

/** Section `security`. */
export class SecuritySettings {
  /** Who changes knowledge that others told: whom it is about, whom it came from, or whom this node asked for it; `open`: anyone. */
  @Setting('text', 'origin')
  @Must('be origin or open', isOneOf(['origin', 'open']))
  authority: 'origin' | 'open' = 'origin'

  /** `open`: deals with any node that introduces itself; `listed`: with those of `peer_types` alone. */
  @Setting('text', 'listed')
  @Must('be open or listed', isOneOf(['open', 'listed']))
  peers: 'open' | 'listed' = 'open'

  /** RID types by node: what that node may tell this one and be told. Nodes and edges always. */
  @Setting('object', PEER_TYPES)
  @Must('be an object with the RIDs of nodes as keys and lists of RID types as values, ["*"] for all', isPeerTypes)
  peer_types: Readonly<Record<string, readonly string[]>> = {}

  /** Whether callers of this service's own API and of MCP show who they are, wherever they call from. */
  @Setting('boolean', 'true')
  @Must('be true or false', isBoolean)
  enable_auth = false

  /** `jwt`: tokens of an issuer whose keys are given; `oauth`: of one that says itself where its keys are. */
  @Setting('text', 'jwt')
  @Must('be none, jwt or oauth', isOneOf(['none', 'jwt', 'oauth']))
  auth_provider: 'none' | 'jwt' | 'oauth' = 'none'

  /** What it may hold: `TokenSettings`. */
  @Setting(
    'object',
    '{"issuer": "https://id.example.org", "audience": "koi-mcp", "jwks_url": "https://id.example.org/jwks"}',
  )
  @Must('be an object', isObject)
  auth_config: Readonly<Record<string, unknown>> = {}

  /** Lets anybody who reaches the consumer read what it knows over MCP. Without it, callers of other machines need a token. */
  @Setting('boolean', 'true')
  @Must('be true or false', isBoolean)
  allow_anonymous_mcp = false

  /** What a caller who is not on this machine shows to publish, and to look into the node; beside users' tokens, that of services. */
  @Setting('text', 'a long random text, or better a file in security.publish_token_file')
  @IsOptional()
  @Must('be text of at least 16 characters', (value) => isText(value) && value.length >= 16)
  publish_token?: string

  @Setting('text', '/run/secrets/koi-publish-token')
  @IsOptional()
  @Must('be the path of a file', isText)
  publish_token_file?: string
}

/** Section `metrics`: a server of its own for Prometheus, at `/metrics`. */
export class MetricsSettings {
  /** Absent: none. 0 takes any that is free. */
  @Setting('number', '9464')
  @IsOptional()
  @Must('be a port, a whole number from 0 (any free one) to 65535', isInteger(0, 65_535))
  port?: number

  /** By default that of `node.host`. */
  @Setting('text', '127.0.0.1')
  @IsOptional()
  @Must('be an address or host name to listen on', isText)
  host?: string
}

/** Section `logging`. */
export class LoggingSettings {
  @Setting('text', 'info')
  @Must('be debug, info, warn or error', isOneOf(['debug', 'info', 'warn', 'error']))
  level: 'debug' | 'info' | 'warn' | 'error' = 'info'

  /** `auto`: pretty on a terminal, JSON elsewhere. */
  @Setting('text', 'auto')
  @Must('be auto, json or pretty', isOneOf(['auto', 'json', 'pretty']))
  format: 'auto' | 'json' | 'pretty' = 'auto'
}

/** Section `domains.<name>`. What `config` may hold is the domain's own. */
export class DomainSettings {
  @Setting('boolean', 'true')
  @Must('be true or false', isBoolean)
  enabled = true

  @Setting('object', '{"folder": "/data"}')
  @Must('be an object', isObject)
  config: Readonly<Record<string, unknown>> = {}
}

/** Everything that a service is told from outside: one typed object, made by `loadSettings`. */
export class KoiMcpSettings {
  node = new NodeSettings()
  network = new NetworkSettings()
  persistence = new PersistenceSettings()
  queue = new QueueSettings()
  security = new SecuritySettings()
  logging = new LoggingSettings()
  metrics = new MetricsSettings()
  domains: Readonly<Record<string, DomainSettings>> = {}
}
