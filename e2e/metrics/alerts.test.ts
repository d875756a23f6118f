import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findRedis, RedisServer } from '@koi-mcp/testing'
import { eventually } from '../koi-mcp.ts'
import { Monitored } from './monitored.ts'
import {
  alertRules,
  asSent,
  dashboards,
  expressionsOf,
  metricNames,
  minutesAsSeconds,
  rulesText,
} from './monitoring-files.ts'
import { findPrometheus, Prometheus } from './prometheus.ts'
import { Traffic } from './traffic.ts'

const program = findPrometheus()
const redisProgram = findRedis(process.env['PATH'] ?? '')
const isHere = program !== undefined && redisProgram !== undefined

/** Of events that a subscriber does not take, in the minutes of this test: later than the alert for a delivery that is stuck. */
const RETENTION_S = 25

interface DeadLetters {
  readonly dead_letters: readonly { readonly place: number }[]
}

describe.skipIf(!isHere && process.env['CI'] !== 'true')('three services, a faulty one, and Prometheus', () => {
  let folder: string
  let redis: RedisServer
  let prometheus: Prometheus
  let services: Readonly<Record<'coordinator' | 'producer' | 'gateway' | 'faulty', Monitored>>
  let traffic: Traffic
  const closing: (() => Promise<void>)[] = []

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'koi-metrics-'))
    closing.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }))
    await mkdir(join(folder, 'faults'))
    redis = await RedisServer.start(redisProgram ?? '')
    closing.push(() => redis.remove())
    const retention = { KOI_MCP_NETWORK__DELIVERY_RETENTION: String(RETENTION_S) }
    const coordinator = await Monitored.of('coordinator', folder, retention)
    const joining = { ...retention, KOI_MCP_NETWORK__FIRST_CONTACT: `${coordinator.url}/koi-net` }
    const producer = await Monitored.of('producer', folder, joining)
    const gateway = await Monitored.of('mcp-gateway', folder, {
      ...joining,
      KOI_MCP_PERSISTENCE__STORAGE_TYPE: 'redis',
      KOI_MCP_PERSISTENCE__REDIS_URL: redis.url,
      KOI_MCP_QUEUE__QUEUE_TYPE: 'bullmq',
    })
    const heap = ['--max-old-space-size=300', '--max-semi-space-size=1']
    const faulty = await Monitored.of('faulty', folder, { FAULTS: join(folder, 'faults') }, heap)
    services = { coordinator, producer, gateway, faulty }
    for (const service of Object.values(services)) closing.push(() => service.kill())
    await coordinator.start()
    await Promise.all([producer.start(), gateway.start(), faulty.start()])
    const targets = Object.values(services).map(({ target }) => target)
    prometheus = await Prometheus.start(program ?? '', folder, targets, minutesAsSeconds(rulesText))
    closing.push(() => prometheus.stop())
    traffic = new Traffic(services)
    closing.push(() => traffic.stop())
    await traffic.start()
  })

  afterAll(async () => {
    for (const close of closing.toReversed()) await close()
  })

  const isFiring = async (name: string): Promise<boolean> =>
    (await prometheus.firing()).some(({ labels }) => labels['alertname'] === name)
  const becomes = async (name: string, firing: boolean): Promise<void> => {
    await eventually(async () => ((await isFiring(name)) === firing ? true : undefined)).catch(() => {
      throw new Error(`${name} ${firing ? 'does not fire' : 'does not clear'}`)
    })
  }
  const clears = (name: string) => becomes(name, false)
  const fault = (name: string) => join(folder, 'faults', name)

  it('show every metric that a dashboard or an alert asks for', async () => {
    const expressions = [
      ...dashboards.flatMap(({ dashboard }) => expressionsOf(dashboard)),
      ...alertRules.map(({ expr }) => expr),
    ]
    const asked = [...new Set(expressions.flatMap((expression) => metricNames(asSent(expression))))]
    expect(asked.length).toBeGreaterThan(40)
    await expect
      .poll(async () => {
        const texts = await Promise.all(Object.values(services).map((service) => service.metrics()))
        const shown = new Set(
          texts.flatMap((text) => [...text.matchAll(/^([a-z_0-9]+)[{ ]/gm)].map(([, name]) => name)),
        )
        // `up` is Prometheus' own.
        return asked.filter((name) => name !== 'up' && !shown.has(name))
      })
      .toEqual([])
  })

  const targets = dashboards.flatMap(({ file, dashboard }) =>
    dashboard.panels.flatMap(({ title, targets: of }) => of.map(({ refId, expr }) => ({ file, title, refId, expr }))),
  )

  it.each(targets)('answer $file "$title" $refId', async ({ expr }) => {
    const samples = await eventually(async () => {
      const found = await prometheus.query(asSent(expr))
      return found.some(({ value }) => value[1] !== 'NaN') ? found : undefined
    })
    expect(samples).not.toEqual([])
  })

  it('fire each alert by its own fault, and clear it when that is mended', async () => {
    // A slow machine may have stalled an event loop before.
    await expect.poll(() => prometheus.firing()).toEqual([])
    const { gateway, faulty } = services
    const seen: string[] = []
    const seesFire = async (name: string): Promise<void> => {
      await becomes(name, true)
      seen.push(name)
    }

    /** The gateway loses its store, and then dies, and comes back both times. */
    const gatewayFails = async (): Promise<void> => {
      await redis.signal('KILL')
      await Promise.all([seesFire('KoiMcpNodeDegraded'), seesFire('KoiMcpMcpErrors')])
      await redis.startAgain()
      await Promise.all([clears('KoiMcpNodeDegraded'), clears('KoiMcpMcpErrors')])
      await gateway.kill()
      await Promise.all(['KoiMcpNodeDown', 'KoiMcpDeliveryStuck', 'KoiMcpSubscriberLapsed'].map(seesFire))
      await gateway.start()
      await Promise.all(['KoiMcpNodeDown', 'KoiMcpDeliveryStuck', 'KoiMcpSubscriberLapsed'].map(clears))
    }

    const faultyFails = async (): Promise<void> => {
      await writeFile(fault('hang'), '')
      traffic.flood()
      await faulty.post('/publish', '{"rid":"orn:notes.note:poison","contents":{}}')
      await Promise.all([seesFire('KoiMcpDeadLetters'), seesFire('KoiMcpInboxBacklogGrowing')])
      traffic.ebb()
      await rm(fault('hang'))
      const { dead_letters: letters } = (await (await fetch(`${faulty.url}/api/dead-letters`)).json()) as DeadLetters
      const places = letters.map(({ place }) => place)
      expect(await faulty.post('/api/dead-letters/drop', JSON.stringify({ places }))).toBe(200)
      await Promise.all([clears('KoiMcpDeadLetters'), clears('KoiMcpInboxBacklogGrowing')])
      for (const [name, alert] of [
        ['block', 'KoiMcpEventLoopStalled'],
        ['hoard', 'KoiMcpMemoryHigh'],
      ] as const) {
        await writeFile(fault(name), '')
        await seesFire(alert)
        await rm(fault(name))
        await clears(alert)
      }
    }

    await Promise.all([gatewayFails(), faultyFails()])
    expect(seen.sort()).toEqual(alertRules.map(({ alert }) => alert).sort())
  })
})
