import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { CHART, HELMS, helm, render } from './chart.ts'
import type { Rendered } from './chart.ts'
import { EXPOSED } from './values.ts'

const ADDRESS = 'knowledge.svc:9000'
const OWN_ARGS = (chart: Rendered) => [
  `--coordinator=http://koi-koi-mcp-coordinator.${ADDRESS}/koi-net`,
  `--coordinator-rid=${chart.rid('coordinator')}`,
  '--name=check',
  '--key=/run/secrets/koi-mcp/identity/private.pem',
]
const USE = [
  `--producer=http://koi-koi-mcp-producer-example.${ADDRESS}`,
  `--mcp=http://koi-koi-mcp-gateway.${ADDRESS}/mcp`,
]
const args = (chart: Rendered) => chart.get('Pod', 'test')['spec'].containers[0].args
/** The chart with its notes as an object, for without a cluster Helm 3 prints none. */
const NOTED = mkdtempSync(join(tmpdir(), 'koi-chart-'))
cpSync(CHART, NOTED, { recursive: true })
writeFileSync(
  join(NOTED, 'templates/notes.yaml'),
  'notes: {{ include (print .Template.BasePath "/NOTES.txt") . | toJson }}\n',
)
afterAll(() => rmSync(NOTED, { recursive: true }))
const notes = async (name: string, values: object = {}): Promise<string> => {
  const args = ['template', 'koi', NOTED, '--namespace', 'knowledge', '--show-only', 'templates/notes.yaml']
  const { stdout, stderr } = await helm(name, args, values)
  const line = /^notes: (.*)$/m.exec(stdout)?.[1]
  if (line === undefined) throw new Error(stderr)
  return JSON.parse(line)
}

describe.for(HELMS)('%s: helm test', (name) => {
  test('introduces a node that the coordinator alone lists, for nothing but that', async () => {
    const chart = await render(name)
    const rid = chart.rid('test')
    expect(rid).toMatch(/^orn:koi-net\.node:check\+/)
    expect(chart.settings('coordinator').security.peer_types[rid]).toEqual([])
    for (const object of ['producer-example', 'gateway'])
      expect(chart.settings(object).security.peer_types).not.toHaveProperty([rid])
    expect(chart.get('Pod', 'test')['spec'].volumes[0].secret.secretName).toBe('koi-koi-mcp-test-identity')
  })

  test('publishes and reads as any client does', async () => {
    const chart = await render(name)
    const pod = chart.get('Pod', 'test')
    expect(pod.metadata.annotations).toEqual({
      'helm.sh/hook': 'test',
      'helm.sh/hook-delete-policy': 'before-hook-creation',
    })
    expect(pod.metadata.labels).toMatchObject({
      'koi-koi-mcp-client': 'true',
      'app.kubernetes.io/name': 'koi-mcp-test',
    })
    expect(args(chart)).toEqual([...OWN_ARGS(chart), ...USE])
    expect(pod['spec'].containers[0].env).toEqual([
      {
        name: 'KOI_MCP_SECURITY__PUBLISH_TOKEN',
        valueFrom: { secretKeyRef: { name: 'koi-koi-mcp-publish-token', key: 'publish-token' } },
      },
    ])
  })

  test('shows a token where users do, and does without what needs one', async () => {
    const [given, none, few] = await Promise.all([
      render(name, { ...EXPOSED, tests: { tokenSecret: 'token' } }),
      render(name, EXPOSED),
      render(name, { gateway: { enabled: false } }),
    ])
    expect(given.get('Pod', 'test')['spec'].containers[0].env).toEqual([
      { name: 'KOI_MCP_TOKEN', valueFrom: { secretKeyRef: { name: 'token', key: 'token' } } },
    ])
    expect(args(given)).toEqual([...OWN_ARGS(given), ...USE])
    expect(args(none)).toEqual(OWN_ARGS(none))
    expect(args(few)).toEqual([...OWN_ARGS(few), USE[0]])
  })

  test('is not there where it is not wanted, or has no coordinator of ours', async () => {
    const external = { url: 'https://hub.example.org/koi-net', rid: `orn:koi-net.node:hub+${'0b'.repeat(32)}` }
    const charts = await Promise.all([
      render(name, { tests: { enabled: false } }),
      render(name, { coordinator: { enabled: false }, externalCoordinator: external }),
    ])
    for (const chart of charts) {
      expect(chart.names('Pod')).toEqual([])
      expect(chart.find('Secret', 'test-identity')).toBeUndefined()
    }
    expect(Object.keys(charts[0].settings('coordinator').security.peer_types)).toHaveLength(2)
  })

  test('and the notes tell what to do next', async () => {
    const all = await notes(name)
    for (const line of [
      /A KOI network of 3 nodes:\n  orn:koi-net\.node:coordinator\+[0-9a-f]{64}\n/,
      /kubectl --namespace knowledge wait --for=condition=Available .* --selector app\.kubernetes\.io\/instance=koi\n/,
      /helm test koi --namespace knowledge --logs\n/,
      /port-forward service\/koi-koi-mcp-gateway 9000:9000\n/,
      /get secret koi-koi-mcp-publish-token --output jsonpath='\{\.data\.publish-token\}' \| base64 --decode\n/,
      /no replication and no backup/,
    ])
      expect(all).toMatch(line)
    const few = await notes(name, {
      gateway: { enabled: false },
      tests: { enabled: false },
      networkPolicy: { enabled: false },
      nodeDefaults: { storage: 'file' },
      security: { publishToken: { existingSecret: 'mine' } },
    })
    expect(few).toContain('A KOI network of 2 nodes:')
    for (const line of ['helm test', 'port-forward', 'publish-token', 'networkPolicy', 'no backup'])
      expect(few).not.toContain(line)
  })
})
