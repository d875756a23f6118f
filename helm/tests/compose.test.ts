import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadSettings, SettingsError } from '@koi-mcp/platform'
import { IMAGE } from './image.ts'

const root = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const read = (path: string) => parse(readFileSync(root(path), 'utf8'), { merge: true })

interface Service {
  readonly image: string
  readonly environment?: Readonly<Record<string, string>>
  readonly depends_on?: Readonly<Record<string, object>> | readonly string[]
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
}

const compose = read('docker-compose.yml') as { services: Record<string, Service>; volumes: Record<string, null> }
const services = Object.entries(compose.services)
const NODES = ['coordinator', 'producer', 'mcp-gateway']

test.each(NODES)('docker-compose.yml: %s is configured as the service takes it', (name) => {
  const { environment = {} } = compose.services[name]!
  const given = Object.entries(environment).filter(([variable]) => variable.startsWith('KOI_MCP_'))
  const env = {
    ...IMAGE,
    ...Object.fromEntries(given.map(([variable, text]) => [variable, text.replace(/^\$\{\w+:-(.*)\}$/, '$1')])),
  }
  let problems: readonly string[] = []
  try {
    expect(loadSettings({ env, readFile: () => undefined, domains: ['data_catalog'] }).node.base_url).toBe(
      `http://${name}:9000/koi-net`,
    )
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    problems = error.problems.map(({ path, message }) => `${path} ${message}`)
  }
  expect(problems).toEqual([])
})

test('docker-compose.yml: what a service names is there', () => {
  for (const [name, { depends_on = [], volumes = [] }] of services) {
    const wanted = Array.isArray(depends_on) ? depends_on : Object.keys(depends_on)
    expect(Object.keys(compose.services), name).toEqual(expect.arrayContaining(wanted))
    for (const volume of volumes) {
      const [source = ''] = volume.split(':')
      const isThere = source.startsWith('./') ? existsSync(root(source)) : source in compose.volumes
      expect(isThere, `${name}: ${source}`).toBe(true)
    }
  }
})

test('docker-compose.yml: nothing answers but on this machine, and no version is left open', () => {
  for (const [name, { image, ports = [] }] of services) {
    for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
    expect(image, name).toMatch(/:v?\d+\.\d+(\.\d+)?(-[a-z]+)?$/)
  }
})

test('docker-compose.yml: Prometheus scrapes every node, and the chart has the same servers', () => {
  const { scrape_configs } = read('deploy/compose/prometheus.yaml')
  expect(scrape_configs[0].static_configs[0].targets).toEqual(
    NODES.map((name) => `${name}:${compose.services[name]!.environment!['KOI_MCP_METRICS__PORT']}`),
  )
  const { postgres, valkey } = read('helm/koi-mcp/values.yaml')
  for (const [name, { image }] of Object.entries({ postgres, valkey }))
    expect(compose.services[name]!.image).toBe(`${image.repository}:${image.tag}`)
})
