import { validateSync } from 'class-validator'
import { TokenSettings } from '../auth/token-settings.ts'
import { checkAuth, checkKeys } from './check-auth.ts'
import { checkBackends } from './check-backends.ts'
import { parseConfigFile } from './config-file.ts'
import { readVariables } from './environment.ts'
import type { VariableSetting } from './environment.ts'
import { isTree, mergeTrees, treeWith } from './plain-tree.ts'
import type { PlainTree } from './plain-tree.ts'
import { closest } from './closest.ts'
import { settingsOf } from './setting.ts'
import {
  DomainSettings,
  KoiMcpSettings,
  LoggingSettings,
  MetricsSettings,
  NetworkSettings,
  NodeSettings,
  PersistenceSettings,
  QueueSettings,
  SecuritySettings,
} from './settings.ts'
import { SettingsError, variableOf } from './settings-error.ts'
import type { SettingsProblem } from './settings-error.ts'

export const DEFAULT_CONFIG_FILE = '/etc/koi-mcp/config.json'

export interface SettingsSources {
  readonly env: Readonly<Record<string, string | undefined>>
  /** From `--config`; wins over `KOI_MCP_CONFIG`, and that over `/etc/koi-mcp/config.json` where it exists. */
  readonly configFile?: string | undefined
  /** The text of a file, `undefined` where there is none. */
  readonly readFile: (path: string) => string | undefined
  /** What a role has as its own defaults, under everything else. */
  readonly defaults?: PlainTree
  /** Domains that this service knows; another name is a problem. */
  readonly domains: readonly string[]
  /** The service's own checks, on settings that are sound so far as they are typed. */
  readonly check?: (settings: KoiMcpSettings) => readonly SettingsProblem[]
}

const SECTIONS = {
  node: NodeSettings,
  network: NetworkSettings,
  persistence: PersistenceSettings,
  queue: QueueSettings,
  security: SecuritySettings,
  logging: LoggingSettings,
  metrics: MetricsSettings,
}

const SECTION_NAMES = [...Object.keys(SECTIONS), 'domains']

/** File and variables (which win) to one typed object. Pure: all it reads is in `sources`. Throws `SettingsError` with every problem at once. */
export function loadSettings(sources: SettingsSources): KoiMcpSettings {
  const problems: SettingsProblem[] = []
  const variables = readVariables(sources.env)
  problems.push(...variables.problems)
  const layers = [sources.defaults, readFileTree(sources, problems), ...variables.settings.map(readVariable)]
  const tree = layers.reduce(mergeTrees, {}) as PlainTree

  const settings = new KoiMcpSettings()
  for (const [name, section] of Object.entries(SECTIONS)) {
    Object.assign(settings, { [name]: readSection(section, name, tree[name], problems) })
  }
  settings.domains = readDomains(sources.domains, tree['domains'], problems)
  for (const key of Object.keys(tree)) if (!SECTION_NAMES.includes(key)) problems.push(unknownSection(key))
  readSecret(settings.node, 'node.private_key_password', sources, problems)
  readSecret(settings.persistence, 'persistence.postgres_url', sources, problems)
  readSecret(settings.persistence, 'persistence.redis_url', sources, problems)
  readSecret(settings.queue, 'queue.redis_url', sources, problems)
  readSecret(settings.security, 'security.publish_token', sources, problems)
  readTokenSettings(settings, sources, problems)
  problems.push(
    ...checkAddress(settings),
    ...checkPeers(settings),
    ...checkAuth(settings.security),
    ...checkBackends(settings),
    ...checkMetrics(settings),
    ...(problems.length === 0 ? (sources.check?.(settings) ?? []) : []),
  )
  if (problems.length > 0) throw new SettingsError(problems)
  return settings
}

function readFileTree({ env, configFile, readFile }: SettingsSources, problems: SettingsProblem[]): PlainTree {
  const named = configFile ?? (env['KOI_MCP_CONFIG'] || undefined)
  const path = named ?? DEFAULT_CONFIG_FILE
  try {
    const text = readFile(path)
    if (text !== undefined) return parseConfigFile(text)
    if (named !== undefined) throw new Error('does not exist')
  } catch (error) {
    const way = configFile === undefined ? 'KOI_MCP_CONFIG' : '--config'
    problems.push({ path: '', message: `The configuration file ${path} (${way}) ${(error as Error).message}` })
  }
  return {}
}

/** A variable's text by the kind of its key; in a domain's `config` and for whole sections, JSON where it is JSON. */
function readVariable({ path, text }: VariableSetting): unknown {
  const [section = '', ...rest] = path
  const settingsClass = section === 'domains' ? DomainSettings : SECTIONS[section as keyof typeof SECTIONS]
  const key = section === 'domains' ? rest[1] : rest[0]
  const isKey = rest.length === (section === 'domains' ? 2 : 1)
  const kind = settingsClass === undefined || !isKey ? undefined : settingsOf(settingsClass).get(key ?? '')?.kind
  return treeWith(path, kind === 'text' ? text : parseValue(text))
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

type Instance<C> = C extends new () => infer T ? T : never

function readSection<C extends new () => object>(
  section: C,
  path: string,
  given: unknown,
  problems: SettingsProblem[],
): Instance<C> {
  const settings = new section() as Instance<C> & Record<string, unknown>
  const known = settingsOf(section)
  if (given !== undefined && !isTree(given)) {
    problems.push({ path, message: 'must be an object', example: `{"${[...known.keys()][0] ?? ''}": …}` })
    return settings
  }
  for (const [key, value] of Object.entries(given ?? {})) {
    if (known.has(key)) Object.assign(settings, { [key]: value })
    else problems.push({ path: `${path}.${key}`, message: `is not known${suggestion([...known.keys()], key)}` })
  }
  trimBaseUrls(settings)
  for (const { property, constraints } of validateSync(settings)) {
    const [message = 'is not valid'] = Object.values(constraints ?? {})
    problems.push({ path: `${path}.${property}`, message, example: known.get(property)?.example })
  }
  return settings
}

/** Paths are appended to a base URL: one at the end with a slash would have two. */
function trimBaseUrls(settings: Record<string, unknown>): void {
  for (const key of ['base_url', 'first_contact']) {
    const url = settings[key]
    if (typeof url === 'string') settings[key] = url.replace(/\/+$/, '')
  }
}

function readDomains(known: readonly string[], given: unknown, problems: SettingsProblem[]): KoiMcpSettings['domains'] {
  const domains: Record<string, DomainSettings> = {}
  for (const name of known) domains[name] = new DomainSettings()
  if (given === undefined) return domains
  if (!isTree(given)) {
    problems.push({ path: 'domains', message: 'must be an object', example: '{"data_catalog": {"enabled": true}}' })
    return domains
  }
  for (const [name, value] of Object.entries(given)) {
    if (known.includes(name)) domains[name] = readSection(DomainSettings, `domains.${name}`, value, problems)
    else
      problems.push({
        path: `domains.${name}`,
        message: `is no domain that this service knows${suggestion(known, name)}`,
      })
  }
  return domains
}

function unknownSection(key: string): SettingsProblem {
  const all = Object.entries(SECTIONS).flatMap(([name, section]) =>
    [...settingsOf(section).keys()].map((setting) => `${name}.${setting}`),
  )
  const meant = all.find((path) => path.replace('.', '_') === key)
  if (meant !== undefined)
    return {
      path: key,
      message: `is not known, did you mean ${meant} (${variableOf(meant)})? Sections end in two underscores`,
    }
  return { path: key, message: `is not known${suggestion(SECTION_NAMES, key)}` }
}

function suggestion(known: readonly string[], key: string): string {
  const meant = closest(known, key)
  return meant === undefined ? `; known are ${known.join(', ')}` : `, did you mean ${meant}?`
}

/** Takes a secret from the file that `<path>_file` names, without the newline that editors leave at the end. */
function readSecret(section: object, path: string, { readFile }: SettingsSources, problems: SettingsProblem[]): void {
  const key = path.slice(path.indexOf('.') + 1)
  const { [key]: secret, [`${key}_file`]: file } = section as Record<string, unknown>
  if (typeof file !== 'string') return
  if (secret !== undefined)
    problems.push({ path: `${path}_file`, message: `is given beside ${path}: keep one of them` })
  try {
    const text = readFile(file)?.replace(/\r?\n$/, '')
    if (text === undefined || text === '') throw new Error(text === undefined ? 'does not exist' : 'is empty')
    Object.assign(section, { [key]: text })
  } catch (error) {
    problems.push({ path: `${path}_file`, message: `names a file that ${(error as Error).message}` })
  }
}

/** `security.auth_config`, where a provider reads it. */
function readTokenSettings(
  { security }: KoiMcpSettings,
  { readFile }: SettingsSources,
  problems: SettingsProblem[],
): void {
  const { enable_auth, auth_provider: provider, auth_config } = security
  if (enable_auth !== true || (provider !== 'jwt' && provider !== 'oauth') || !isTree(auth_config)) return
  const tokens = readSection(TokenSettings, 'security.auth_config', auth_config, problems)
  problems.push(...checkKeys(provider, tokens, readFile))
}

/** Host and port make a base URL, except where the host stands for every address of the machine. */
function checkAddress({ node }: KoiMcpSettings): readonly SettingsProblem[] {
  if (node.base_url !== undefined || !['0.0.0.0', '::', '*'].includes(node.host)) return []
  const message = `is needed when node.host is ${node.host}: other nodes must be told one address`
  return [{ path: 'node.base_url', message, example: `http://koi.example.org:${node.port}/koi-net` }]
}

/** Two servers on one port. */
function checkMetrics({ node, metrics }: KoiMcpSettings): readonly SettingsProblem[] {
  if (metrics.port === undefined) {
    if (metrics.host === undefined) return []
    return [{ path: 'metrics.host', message: 'has no effect unless metrics.port is set', example: '9464' }]
  }
  if (metrics.port === 0 || metrics.port !== node.port) return []
  return [{ path: 'metrics.port', message: 'is that of node.port: the metrics need one of their own', example: '9464' }]
}

/** A list that nobody reads, or that leaves nobody to talk to, is not what was meant. */
function checkPeers({ network, security }: KoiMcpSettings): readonly SettingsProblem[] {
  const { peers, peer_types: types } = security
  if (!isTree(types)) return []
  const nodes = Object.keys(types)
  const path = 'security.peer_types'
  if (peers === 'open') {
    return nodes.length === 0 ? [] : [{ path, message: 'has no effect unless security.peers is listed: set both' }]
  }
  if (nodes.length === 0) return [{ path, message: 'names no node, and with security.peers listed none is dealt with' }]
  const contact = network.first_contact_rid
  if (contact === undefined || nodes.includes(contact)) return []
  return [{ path, message: `does not name network.first_contact_rid, ${contact}: add it` }]
}
