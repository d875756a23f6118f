import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Client } from './client.ts'
import { say, seconds } from './commands.ts'
import { Release, RELEASE } from './release.ts'

const FILES = 40
const DATA = 'cluster-data'
const PRODUCER = 'app.kubernetes.io/component=producer'
const ANY_NODE = 'app.kubernetes.io/component in (coordinator,producer,gateway)'
const NODES = ['coordinator', 'producer-example', 'gateway']

/** What all runs of the tests install: a producer of forty files. */
const VALUES = { producers: { example: { data: { example: false, configMap: DATA } } } }

interface Status {
  readonly node_rid: string
  readonly peers: readonly { readonly rid: string; readonly edges: readonly { readonly direction: string }[] }[]
}

const release = new Release(`koi-${Math.random().toString(36).slice(2, 8)}`)
let client: Client

const files = Array.from({ length: FILES }, (_, index) => `orn:data-catalog.dataset:example/file-${index}.csv`).sort()
const catalogued = async (node: string) => (await client.rids(node)).filter((rid) => rid.includes(':example/'))
const ridOf = async (node: string) => (await client.api<Status>(node, '/api/status')).node_rid

/** Every node holds what the load was told is held. */
async function agreeOn(held: Readonly<Record<string, string>>): Promise<number> {
  return await seconds(async () => {
    for (const node of NODES) await expect.poll(() => client.locations(node), { timeout: 180_000 }).toEqual(held)
  })
}

beforeAll(async () => {
  await release.createNamespace()
  const data = Object.fromEntries(
    Array.from({ length: FILES }, (_, index) => [`file-${index}.csv`, `number,text\n${index},word ${index}\n`]),
  )
  await release.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: DATA }, data })
})

afterAll(() => release.remove())

describe('the chart on a cluster', () => {
  test('is installed where the restricted profile is enforced, and its test passes', async () => {
    const took = await seconds(() => release.install(VALUES))
    const tested = await seconds(() => release.helm('test', RELEASE))
    say(`helm install --wait took ${took} s, helm test ${tested} s`)
    expect(took).toBeLessThan(120)
    client = await Client.start(release)
    for (const node of NODES) await expect.poll(() => catalogued(node)).toEqual(files)
  })

  test('is one node from outside with one or four producers, which divide their source', async () => {
    const rid = await ridOf('producer-example')
    const producers = async () => (await release.pods(PRODUCER)).length
    const changesBefore = await client.run<number>('last-change', `http://${RELEASE}-gateway:9000`, files[0]!)
    const up = await seconds(() =>
      release.upgrade({ producers: { example: { ...VALUES.producers.example, replicas: 4 } } }),
    )
    expect(await producers()).toBe(4)
    const shares = () => release.kubectl('logs', '--selector', PRODUCER, '--tail=-1', '--prefix')
    await expect.poll(async () => sharers(await shares())).toBe(4)
    const { peers } = await client.api<Status>('coordinator', '/api/status')
    const known = peers.filter((peer) => peer.rid.startsWith('orn:koi-net.node:example+'))
    expect(known.map((peer) => peer.rid)).toEqual([rid])
    expect(known[0]?.edges.map(({ direction }) => direction).sort()).toEqual(['in', 'out'])
    // Nobody told the gateway anything again.
    expect(await client.run<number>('last-change', `http://${RELEASE}-gateway:9000`, files[0]!)).toBe(changesBefore)
    await release.kubectl('scale', `deployment/${RELEASE}-producer-example`, '--replicas=1')
    await expect.poll(producers).toBe(1)
    for (const node of NODES) expect(await catalogued(node)).toEqual(files)
    expect(await ridOf('producer-example')).toBe(rid)
    say(`from 1 to 4 producers took ${up} s`)
  })

  test('loses nothing that it acknowledged while a pod is killed every few seconds', async () => {
    await release.upgrade({ ...twoOfEach() })
    const load = client.load('producer-example', 120)
    let kills = 0
    for (const until = performance.now() + 110_000; performance.now() < until; await wait(5_000)) {
      const pods = await release.pods(ANY_NODE)
      const pod = pods[Math.floor(Math.random() * pods.length)]
      if (pod === undefined) continue
      await release.kubectl('delete', 'pod', pod, '--grace-period=0', '--force')
      kills += 1
    }
    const { acknowledged, refused, held } = await load
    const took = await agreeOn(held)
    say(
      `${kills} pods killed: ${acknowledged} requests acknowledged, refused ${JSON.stringify(refused)}; agreed after ${took} s`,
    )
    expect(kills).toBeGreaterThan(10)
    expect(acknowledged).toBeGreaterThan(100)
  })

  test('loses nothing when Postgres and Valkey are deleted and come back', async () => {
    const load = client.load('producer-example', 60)
    for (const server of ['valkey', 'postgres']) {
      await wait(10_000)
      await release.kubectl('delete', 'pod', '--selector', `app.kubernetes.io/component=${server}`, '--wait=false')
    }
    const { acknowledged, refused, held } = await load
    const took = await agreeOn(held)
    say(
      `Valkey and Postgres deleted: ${acknowledged} acknowledged, refused ${JSON.stringify(refused)}; agreed after ${took} s`,
    )
    expect(acknowledged).toBeGreaterThan(100)
  })

  test('fails no request through the Service while every pod is replaced, and rolls back', async () => {
    const before = await Promise.all(NODES.map(ridOf))
    const steps: [string, () => Promise<unknown>][] = [
      [
        'upgrade',
        () => release.upgrade({ ...twoOfEach(), commonAnnotations: {}, nodeDefaults: { podLabels: { round: '2' } } }),
      ],
      ['rollback', () => release.helm('rollback', RELEASE, '--wait', '--timeout', '5m')],
    ]
    for (const [name, step] of steps) {
      const load = client.load('producer-example', 60)
      const took = await seconds(step)
      const { acknowledged, refused, held } = await load
      say(`${name} of every pod took ${took} s: ${acknowledged} acknowledged, refused ${JSON.stringify(refused)}`)
      expect(refused).toEqual({})
      await agreeOn(held)
    }
    expect(await Promise.all(NODES.map(ridOf))).toEqual(before)
  })

  test('lets nobody without the label in, at any port', async () => {
    const stranger = await Client.start(release, 'stranger', { role: 'stranger' })
    const targets = [
      ...NODES.flatMap((node) => [`${RELEASE}-${node}:9000`, `${RELEASE}-${node}:9464`]),
      `${RELEASE}-postgres:5432`,
      `${RELEASE}-valkey:6379`,
    ]
    expect(await stranger.run('reachable', ...targets)).toEqual([])
    const open = NODES.map((node) => `${RELEASE}-${node}:9000`)
    expect(await client.run('reachable', ...targets)).toEqual(open)
  })

  test('is the same nodes when it is installed again', async () => {
    const before = await Promise.all(NODES.map(ridOf))
    await release.helm('uninstall', RELEASE, '--wait')
    await release.install(VALUES)
    expect(await Promise.all(NODES.map(ridOf))).toEqual(before)
    for (const node of NODES) await expect.poll(() => catalogued(node)).toEqual(files)
  })
})

function twoOfEach(): Record<string, unknown> {
  const { example } = VALUES.producers
  return {
    producers: { example: { ...example, replicas: 2 } },
    coordinator: { replicas: 2 },
    gateway: { replicas: 2 },
  }
}

/** How many pods say, in the last line about it, that they hold a share of the source. */
function sharers(logs: string): number {
  const last = new Map<string, number>()
  for (const line of logs.split('\n')) {
    const [, pod, json] = /^\[pod\/([^/]+)\/[^\]]+\] (\{.*"msg":"shares of a source".*\})$/.exec(line) ?? []
    if (pod !== undefined && json !== undefined) last.set(pod, (JSON.parse(json) as { held: number }).held)
  }
  return [...last.values()].filter((held) => held > 0).length
}
