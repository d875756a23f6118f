import { describe, expect, it } from 'vitest'
import { loadSettings } from '@koi-mcp/platform'
import { DELIVERED, FRAMEWORK_NAMES, IN_WORK, SETTINGS } from './framework-names.ts'
import { koiMcp } from './koi-mcp.ts'

const settings = (env: Record<string, string> = {}): object =>
  loadSettings({ env, readFile: () => undefined, domains: ['data_catalog'] })

const at = (root: object, path: string): unknown =>
  path.split('.').reduce<unknown>((tree, key) => (tree as Record<string, unknown>)[key], root)

/** Text that a variable may hold for a setting, and what is then read. */
const SET: Readonly<Record<string, readonly [text: string, value: unknown]>> = {
  'network.first_contact': ['http://other.example:9000/koi-net', 'http://other.example:9000/koi-net'],
  'network.connect_timeout': ['1.5', 1.5],
  'network.request_timeout': ['7', 7],
  'network.max_retries': ['5', 5],
  'network.backoff_factor': ['2', 2],
  'persistence.storage_path': ['/srv/koi', '/srv/koi'],
  'domains.data_catalog.enabled': ['false', false],
  'domains.data_catalog.config': ['{"folder":"/data"}', { folder: '/data' }],
}

describe('what the product was asked for by name', () => {
  const due = FRAMEWORK_NAMES.filter(({ issue, here }) => issue <= DELIVERED || here !== undefined)

  it.each(due.map(({ name, here }) => ({ name, here })))('has $name', ({ here }) => {
    expect(here?.()).toBeDefined()
  })

  it('says of nothing that it comes later which is here', () => {
    const early = FRAMEWORK_NAMES.filter(({ issue, here }) => issue > IN_WORK && here !== undefined)
    expect(early.map(({ name }) => name)).toEqual([])
  })

  it('names nothing twice', () => {
    const names = FRAMEWORK_NAMES.map(({ name }) => name)
    expect(names).toEqual([...new Set(names)])
  })
})

describe('its configuration', () => {
  it.each(SETTINGS)('has $path with its default', ({ path, value }) => {
    expect(at(settings(), path)).toEqual(value)
  })

  it.each(Object.entries(SET))('takes %s from its variable', (path, [text, value]) => {
    const variable = `KOI_MCP_${path.toUpperCase().replaceAll('.', '__')}`
    expect(at(settings({ [variable]: text }), path)).toEqual(value)
  })

  it('takes a provider of users and its configuration, which count together', () => {
    const config = { issuer: 'https://id.example.org', audience: 'koi-mcp' }
    const { security } = settings({
      KOI_MCP_SECURITY__ENABLE_AUTH: 'true',
      KOI_MCP_SECURITY__AUTH_PROVIDER: 'oauth',
      KOI_MCP_SECURITY__AUTH_CONFIG: JSON.stringify(config),
    }) as { security: object }
    expect(security).toMatchObject({ enable_auth: true, auth_provider: 'oauth', auth_config: config })
  })
})

describe('its entry point', () => {
  it('takes --role with the three roles, and --config', async () => {
    const { code, out } = await koiMcp(['run', '--help'])
    const help = out.join('\n')
    expect(code).toBe(0)
    expect(help).toMatch(/--role <role>.*"coordinator".*"producer".*"consumer"/s)
    expect(help).toMatch(/--config <file>.*\/etc\/koi-mcp\/config\.json/s)
  })
})
