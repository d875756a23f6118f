import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_CONFIG_FILE, loadSettings } from './load-settings.ts'
import type { SettingsSources } from './load-settings.ts'
import { SettingsError } from './settings-error.ts'

const load = (sources: Partial<SettingsSources> & { files?: Record<string, string> } = {}) =>
  loadSettings({
    env: {},
    readFile: (path) => sources.files?.[path],
    domains: ['data_catalog'],
    ...sources,
  })

const problemsOf = (sources: Parameters<typeof load>[0]): string[] => {
  try {
    load(sources)
  } catch (error) {
    if (error instanceof SettingsError) return error.message.split('\n').slice(1)
    throw error
  }
  return []
}

describe('loadSettings', () => {
  it('has the defaults of the source document', () => {
    expect(JSON.parse(JSON.stringify(load()))).toEqual({
      node: { name: 'koi-mcp', port: 9000, host: '127.0.0.1' },
      network: {
        connect_timeout: 10,
        request_timeout: 30,
        max_retries: 3,
        backoff_factor: 1.5,
        max_clock_skew: 86400,
        delivery_retention: 604800,
        max_nodes: 10000,
      },
      persistence: { storage_type: 'file', storage_path: '.koi/storage', durability: 'full' },
      queue: { queue_type: 'store' },
      security: {
        authority: 'origin',
        peers: 'open',
        peer_types: {},
        enable_auth: false,
        auth_provider: 'none',
        auth_config: {},
        allow_anonymous_mcp: false,
      },
      metrics: {},
      logging: { level: 'info', format: 'auto' },
      domains: { data_catalog: { enabled: true, config: {} } },
    })
  })

  it('lets variables win over the file, and the file over the defaults of the role', () => {
    const settings = load({
      defaults: { node: { name: 'producer', port: 9001, host: '127.0.0.2' } },
      configFile: 'a.json',
      files: {
        'a.json':
          '{"node": {"name": "from-file", "port": 1}, "domains": {"data_catalog": {"config": {"a": 1, "b": 2}}}}',
      },
      env: { KOI_MCP_NODE__PORT: '2', koi_mcp_domains__Data_Catalog__config__A: '{"x": [true, null]}' },
    })
    expect(settings.node).toMatchObject({ name: 'from-file', port: 2, host: '127.0.0.2' })
    expect({ ...settings.domains['data_catalog']?.config }).toEqual({ a: { x: [true, null] }, b: 2 })
  })

  it('reads a variable by the kind of its key: digits stay text where text is meant', () => {
    const { node, security } = load({
      env: {
        KOI_MCP_NODE__NAME: '007',
        KOI_MCP_SECURITY__PUBLISH_TOKEN: '1234567890123456',
        KOI_MCP_NODE__BASE_URL: '',
      },
    })
    expect([node.name, security.publish_token, node.base_url]).toEqual(['007', '1234567890123456', undefined])
  })

  it('takes a whole section as JSON, under the variables of its keys', () => {
    const { network } = load({
      env: { KOI_MCP_NETWORK__MAX_RETRIES: '5', KOI_MCP_NETWORK: '{"max_retries": 1, "backoff_factor": 2}' },
    })
    expect([network.max_retries, network.backoff_factor]).toEqual([5, 2])
  })

  it('keeps knowledge for as long as persistence.ttl says, or for ever', () => {
    const ttlOf = (text: string) => load({ env: { KOI_MCP_PERSISTENCE__TTL: text } }).persistence.ttl
    expect([ttlOf('60'), ttlOf('null'), load({}).persistence.ttl]).toEqual([60, undefined, undefined])
    expect(problemsOf({ env: { KOI_MCP_PERSISTENCE__TTL: '0' } })).toEqual([
      '  persistence.ttl (KOI_MCP_PERSISTENCE__TTL) must be a number of seconds from 1 to 3153600000 (a hundred years), or null. Example: 2592000',
    ])
  })

  it('finds the file by --config, then KOI_MCP_CONFIG, then the default place where it exists', () => {
    const files = {
      '/cli.json': '{"node": {"name": "cli"}}',
      '/env.yaml': 'node:\n  name: env # by content\n',
      [DEFAULT_CONFIG_FILE]: '{"node": {"name": "default"}}',
    }
    const env = { KOI_MCP_CONFIG: '/env.yaml' }
    expect(load({ files, env, configFile: '/cli.json' }).node.name).toBe('cli')
    expect(load({ files, env }).node.name).toBe('env')
    expect(load({ files }).node.name).toBe('default')
    expect(problemsOf({ env: { KOI_MCP_CONFIG: '/none' } })).toEqual([
      '  The configuration file /none (KOI_MCP_CONFIG) does not exist.',
    ])
  })

  it('reports every problem at once, with the variable and an example', () => {
    expect(
      problemsOf({
        configFile: 'a.yaml',
        files: { 'a.yaml': 'node: {port: 70000, nmae: x}\nnetwork: 3\npersistence: {storage_type: mysql}\nextra: 1\n' },
        env: {
          KOI_MCP_NETWORK_FIRST_CONTACT: 'http://x',
          KOI_MCP_SECURITY__ENABLE_AUTH: 'true',
          KOI_MCP_LOGGING__LEVEL: 'loud',
          KOI_MCP_DOMAINS__DATA_CATALOGUE__ENABLED: 'true',
          KOI_MCP____NAME: 'x',
        },
      }),
    ).toEqual([
      '  ._name (KOI_MCP____NAME) is no name of a setting. Example: KOI_MCP_NODE__PORT',
      '  node.nmae (KOI_MCP_NODE__NMAE) is not known, did you mean name?',
      '  node.port (KOI_MCP_NODE__PORT) must be a port, a whole number from 0 (any free one) to 65535. Example: 9000',
      '  network (KOI_MCP_NETWORK) must be an object. Example: {"first_contact": …}',
      '  persistence.storage_type (KOI_MCP_PERSISTENCE__STORAGE_TYPE) must be file, redis or postgres. Example: postgres',
      '  logging.level (KOI_MCP_LOGGING__LEVEL) must be debug, info, warn or error. Example: info',
      '  domains.data_catalogue (KOI_MCP_DOMAINS__DATA_CATALOGUE) is no domain that this service knows, did you mean data_catalog?',
      '  extra (KOI_MCP_EXTRA) is not known; known are node, network, persistence, queue, security, logging, metrics, domains.',
      '  network_first_contact (KOI_MCP_NETWORK_FIRST_CONTACT) is not known, did you mean network.first_contact (KOI_MCP_NETWORK__FIRST_CONTACT)? Sections end in two underscores.',
      '  security.auth_provider (KOI_MCP_SECURITY__AUTH_PROVIDER) must be jwt or oauth when security.enable_auth is true. Example: jwt',
    ])
  })

  it('refuses addresses that no peer could use', () => {
    const bad = ['ftp://x', 'x', 'http://user:pw@x/koi-net', 'http://x/koi-net?a', 'http://x/#a']
    for (const url of bad) expect(problemsOf({ env: { KOI_MCP_NODE__BASE_URL: url } })).toHaveLength(1)
    expect(load({ env: { KOI_MCP_NETWORK__FIRST_CONTACT: 'http://x/koi-net//' } }).network.first_contact).toBe(
      'http://x/koi-net',
    )
    expect(problemsOf({ env: { KOI_MCP_NODE__HOST: '0.0.0.0' } })).toEqual([
      '  node.base_url (KOI_MCP_NODE__BASE_URL) is needed when node.host is 0.0.0.0: other nodes must be told one address. Example: http://koi.example.org:9000/koi-net',
    ])
  })

  it('takes a list of peers by RID, and refuses one that cannot be meant', () => {
    const peer = `orn:koi-net.node:peer+${'0a'.repeat(32)}`
    const listed = (types: unknown, more: object = {}) => ({
      env: { KOI_MCP_SECURITY__PEERS: 'listed', KOI_MCP_SECURITY__PEER_TYPES: JSON.stringify(types), ...more },
    })
    const types = { [peer]: ['orn:notes.note', 'https', '*'] }
    expect(load(listed(types)).security).toMatchObject({ peers: 'listed', peer_types: types })
    const example = 'Example: {"orn:koi-net.node:gateway+' + '0a'.repeat(32) + '": ["orn:data-catalog.dataset"]}'
    const malformed = [
      `  security.peer_types (KOI_MCP_SECURITY__PEER_TYPES) must be an object with the RIDs of nodes as keys and lists of RID types as values, ["*"] for all. ${example}`,
    ]
    for (const wrong of [
      [peer],
      'x',
      { peer: ['*'] },
      { [peer]: '*' },
      { [peer]: [1] },
      { [peer]: ['orn'] },
      { [peer]: ['a:b'] },
    ]) {
      expect(problemsOf(listed(wrong))).toEqual(malformed)
    }
    expect(problemsOf(listed({}))).toEqual([
      '  security.peer_types (KOI_MCP_SECURITY__PEER_TYPES) names no node, and with security.peers listed none is dealt with.',
    ])
    expect(problemsOf(listed(types, { KOI_MCP_SECURITY__PEERS: 'open' }))).toEqual([
      '  security.peer_types (KOI_MCP_SECURITY__PEER_TYPES) has no effect unless security.peers is listed: set both.',
    ])
    const contact = `orn:koi-net.node:contact+${'0b'.repeat(32)}`
    expect(problemsOf(listed(types, { KOI_MCP_NETWORK__FIRST_CONTACT_RID: contact }))).toEqual([
      `  security.peer_types (KOI_MCP_SECURITY__PEER_TYPES) does not name network.first_contact_rid, ${contact}: add it.`,
    ])
  })

  it('takes secrets from files and shows none', () => {
    const files = { '/key': 'geheim\n', '/empty': '\n' }
    const { node } = load({ files, env: { KOI_MCP_NODE__PRIVATE_KEY_PASSWORD_FILE: '/key' } })
    expect(node.private_key_password).toBe('geheim')
    const problems = problemsOf({
      files,
      env: {
        KOI_MCP_NODE__PRIVATE_KEY_PASSWORD_FILE: '/empty',
        KOI_MCP_SECURITY__PUBLISH_TOKEN: 'tooshort',
        KOI_MCP_SECURITY__PUBLISH_TOKEN_FILE: '/none',
      },
    })
    expect(problems).toHaveLength(4)
    expect(problems.join()).not.toContain('tooshort')
    expect(problemsOf({ configFile: '/a', files: { '/a': '{"security": {"publish_token": "geheim}}' } })).toEqual([
      expect.stringMatching(
        /^ {2}The configuration file \/a \(--config\) is neither JSON nor YAML: \w+ at line 1, column \d+\.$/,
      ),
    ])
  })

  it('asks for the URL of each server that store and queue use, and for none that nothing uses', () => {
    const postgres = { KOI_MCP_PERSISTENCE__STORAGE_TYPE: 'postgres' }
    const bullmq = { KOI_MCP_QUEUE__QUEUE_TYPE: 'bullmq' }
    const url = 'postgres://koi:geheim@db/koi'
    const redis = 'rediss://:geheim@redis:6379/1'
    const namespace = { KOI_MCP_PERSISTENCE__NAMESPACE: 'koi_of_mine' }
    const whole = load({
      files: { '/pg': `${url}\n` },
      env: {
        ...postgres,
        ...bullmq,
        ...namespace,
        KOI_MCP_PERSISTENCE__POSTGRES_URL_FILE: '/pg',
        KOI_MCP_PERSISTENCE__REDIS_URL: redis,
        KOI_MCP_NODE__PRIVATE_KEY_FILE: '/key.pem',
      },
    })
    expect(whole.persistence).toMatchObject({ postgres_url: url, redis_url: redis, namespace: 'koi_of_mine' })
    expect(whole.queue).toEqual({ queue_type: 'bullmq' })
    expect(whole.node.private_key_file).toBe('/key.pem')

    const PG = { KOI_MCP_PERSISTENCE__POSTGRES_URL: url }
    expect(problemsOf({ env: { ...postgres, ...bullmq } })).toEqual([
      '  persistence.postgres_url (KOI_MCP_PERSISTENCE__POSTGRES_URL) is needed when persistence.storage_type is postgres. Example: postgres://koi@localhost/koi',
      '  queue.redis_url (KOI_MCP_QUEUE__REDIS_URL) is needed when queue.queue_type is bullmq. Example: redis://localhost:6379',
    ])
    expect(problemsOf({ env: { ...bullmq, ...namespace, KOI_MCP_QUEUE__REDIS_URL: redis } })).toEqual([
      '  queue.queue_type (KOI_MCP_QUEUE__QUEUE_TYPE) must be store when persistence.storage_type is file: one process has nobody else to wake.',
      '  persistence.namespace (KOI_MCP_PERSISTENCE__NAMESPACE) has no effect unless persistence.storage_type is redis or postgres.',
    ])
    expect(problemsOf({ env: { ...PG, KOI_MCP_PERSISTENCE__REDIS_URL: redis } })).toEqual([
      '  persistence.postgres_url (KOI_MCP_PERSISTENCE__POSTGRES_URL) has no effect unless persistence.storage_type is postgres.',
      '  persistence.redis_url (KOI_MCP_PERSISTENCE__REDIS_URL) has no effect unless persistence.storage_type is redis, or queue.queue_type bullmq.',
    ])
    expect(problemsOf({ env: { ...postgres, ...PG, KOI_MCP_QUEUE__REDIS_URL: redis } })).toEqual([
      '  queue.redis_url (KOI_MCP_QUEUE__REDIS_URL) has no effect unless queue.queue_type is bullmq.',
    ])
    expect(problemsOf({ env: { ...postgres, ...PG, KOI_MCP_PERSISTENCE__NAMESPACE: 'public' } })).toEqual([
      '  persistence.namespace (KOI_MCP_PERSISTENCE__NAMESPACE) must be koi_ and then small letters, digits and _, at most 63 characters. Example: koi_coordinator',
    ])
  })

  it('refuses URLs of other servers without showing them', () => {
    const env = {
      KOI_MCP_PERSISTENCE__STORAGE_TYPE: 'postgres',
      KOI_MCP_PERSISTENCE__POSTGRES_URL: 'mysql://koi:geheim@db/koi',
      KOI_MCP_QUEUE__QUEUE_TYPE: 'bullmq',
      KOI_MCP_QUEUE__REDIS_URL_FILE: '/redis',
    }
    const form = 'in a password, special characters are written as %XX'
    expect(problemsOf({ env, files: { '/redis': 'localhost:geheim' } })).toEqual([
      `  persistence.postgres_url (KOI_MCP_PERSISTENCE__POSTGRES_URL) must be a URL of postgres://; ${form}. Example: postgres://koi@localhost/koi`,
      `  queue.redis_url_file (KOI_MCP_QUEUE__REDIS_URL_FILE) names a file that does not hold a URL of redis://; ${form}. Example: redis://localhost:6379`,
    ])
    expect(problemsOf({ env: { ...env, KOI_MCP_PERSISTENCE__POSTGRES_URL: 'postgresql://db/koi' } })).toEqual([
      '  queue.redis_url_file (KOI_MCP_QUEUE__REDIS_URL_FILE) names a file that does not exist.',
    ])
  })

  it('passes over what Kubernetes adds for a Service named koi-mcp-…, and says when two variables disagree', () => {
    const env = {
      KOI_MCP_COORDINATOR_SERVICE_HOST: '10.0.0.1',
      KOI_MCP_COORDINATOR_SERVICE_PORT_HTTP: '9000',
      KOI_MCP_COORDINATOR_PORT: 'tcp://10.0.0.1:9000',
      KOI_MCP_COORDINATOR_PORT_9000_TCP_ADDR: '10.0.0.1',
    }
    expect(load({ env }).node.port).toBe(9000)
    expect(problemsOf({ env: { KOI_MCP_NODE__PORT: '1', Koi_Mcp_Node__Port: '2' } })).toEqual([
      '  node.port (Koi_Mcp_Node__Port) says something else than KOI_MCP_NODE__PORT: keep one of them.',
    ])
  })

  it('takes a port for the metrics, and refuses that of the node and a host without one', () => {
    const env = { KOI_MCP_METRICS__PORT: '9464', KOI_MCP_METRICS__HOST: '0.0.0.0' }
    expect(load({ env }).metrics).toEqual({ port: 9464, host: '0.0.0.0' })
    expect(load({ env: { KOI_MCP_METRICS__PORT: '0', KOI_MCP_NODE__PORT: '0' } }).metrics).toEqual({ port: 0 })
    expect(problemsOf({ env: { KOI_MCP_METRICS__PORT: '9000' } })).toEqual([
      expect.stringContaining('metrics.port (KOI_MCP_METRICS__PORT) is that of node.port'),
    ])
    expect(problemsOf({ env: { KOI_MCP_METRICS__HOST: '::1' } })).toEqual([
      expect.stringContaining('metrics.host (KOI_MCP_METRICS__HOST) has no effect unless metrics.port is set'),
    ])
  })

  it("asks the service's own check, and only about settings that are sound", () => {
    const check = () => [{ path: 'domains.data_catalog.config.folder', message: 'must be text' }]
    expect(problemsOf({ check })).toEqual([
      '  domains.data_catalog.config.folder (KOI_MCP_DOMAINS__DATA_CATALOG__CONFIG__FOLDER) must be text.',
    ])
    expect(problemsOf({ check, env: { KOI_MCP_NODE__PORT: 'x' } })).toHaveLength(1)
  })

  it('gives settings or a SettingsError for any file and any variables', () => {
    const key = fc.oneof(
      fc.constantFrom('node', 'domains', 'data_catalog', 'config', '__proto__', 'constructor', 'port'),
      fc.string(),
    )
    const tree = fc.letrec((tie) => ({ node: fc.oneof(fc.jsonValue(), fc.dictionary(key, tie('node'))) })).node
    fc.assert(
      fc.property(
        tree,
        fc.dictionary(
          key.map((k) => `KOI_MCP_${k}`),
          fc.string(),
        ),
        (file, env) => {
          try {
            load({ configFile: '/a', files: { '/a': JSON.stringify(file) ?? '' }, env })
          } catch (error) {
            expect(error).toBeInstanceOf(SettingsError)
          }
          expect(Object.prototype).not.toHaveProperty('port')
        },
      ),
    )
  })
})
