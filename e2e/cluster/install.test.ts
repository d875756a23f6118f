import { spawn } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../koi-mcp.ts'
import { newerClient } from '../mcp-clients.ts'
import { Client } from './client.ts'
import { run, say, seconds } from './commands.ts'
import { ExampleNetwork } from './example-network.ts'
import { RELEASE } from './release.ts'
import type { Release } from './release.ts'

let network: ExampleNetwork

beforeAll(async () => {
  network = await ExampleNetwork.prepare()
})

afterAll(() => network.remove())

describe('the chart on a cluster', () => {
  test('is installed where the restricted profile is enforced, and its test passes', async () => {
    const { release } = network
    const took = await seconds(() => release.install(network.values()))
    const tested = await seconds(() => release.helm('test', RELEASE))
    say(`helm install --wait took ${took} s, helm test ${tested} s`)
    expect(took).toBeLessThan(120)
    await network.meets()
  })

  test('says what to do next, and its commands work as printed: the first dataset is read over MCP', async () => {
    const notes = await network.release.helm('get', 'notes', RELEASE)
    const printed = [...notes.matchAll(/^ {3}((?:kubectl|helm) .*)$/gm)].map(([, command = '']) => command)
    const commandOf = (verb: string) => printed.find((command) => command.includes(` ${verb} `)) ?? ''
    expect(['wait', 'test', 'port-forward', 'exec', 'get'].map(commandOf)).toEqual(printed)

    const output = async (verb: string) => {
      const { code, stdout, stderr } = await run('sh', ['-c', commandOf(verb)])
      expect(code, `${commandOf(verb)}\n${stderr}`).toBe(0)
      return stdout
    }
    expect(await output('wait')).toContain('condition met')
    expect(await output('test')).toMatch(/Phase:\s+Succeeded/)
    expect((await output('exec')).split('\n')).toEqual(expect.arrayContaining([...network.files]))
    expect(await output('get')).toMatch(/^\S{32,}$/)

    const forward = spawn('sh', ['-c', `exec ${commandOf('port-forward')}`])
    try {
      const address = new URL(/\bhttp:\/\/127\.0\.0\.1:\d+\/mcp\b/.exec(notes)?.[0] ?? '')
      const client = await eventually(() => newerClient(address).catch(() => undefined))
      const [first] = network.files
      expect(await client.list()).toContain(first)
      expect(JSON.parse(await client.read(first!))).toMatchObject({ name: 'file-0' })
    } finally {
      forward.kill()
    }
  })

  test('lets nobody without the label in, at any port, and lets its pods reach no more than they need', async () => {
    const { release } = network
    const [coordinator, producer, gateway, postgres, valkey] = await Promise.all([
      podOf(release, 'coordinator'),
      podOf(release, 'producer'),
      podOf(release, 'gateway'),
      podOf(release, 'postgres'),
      podOf(release, 'valkey'),
    ])
    const nodes = [coordinator, producer, gateway].map(({ ip }) => `${ip}:9000`)
    const servers = [`${postgres.ip}:5432`, `${valkey.ip}:6379`]
    const metrics = [coordinator, producer, gateway].map(({ ip }) => `${ip}:9464`)
    const kubernetes = 'kubernetes.default.svc:443'
    const targets = [...nodes, ...servers, ...metrics, kubernetes]

    const stranger = await Client.start(release, 'stranger', { role: 'stranger' })
    expect(await stranger.run('reachable', ...targets)).toEqual([kubernetes])
    expect(await network.client.run('reachable', ...targets)).toEqual([...nodes, kubernetes])
    // Its own ports are not on the network.
    const others = targets.filter((target) => !target.startsWith(`${producer.ip}:`))
    const ofProducer = await Client.in(release, producer.name).run('reachable', ...others)
    expect(ofProducer).toEqual([nodes[0], nodes[2], ...servers])
  })

  test('is the same nodes when it is installed again', async () => {
    const before = await network.rids()
    await network.release.helm('uninstall', RELEASE, '--wait')
    await network.install()
    expect(await network.rids()).toEqual(before)
  })
})

interface Pods {
  readonly items: readonly {
    readonly metadata: { readonly name: string }
    readonly status: { readonly podIP: string }
  }[]
}

async function podOf(release: Release, component: string): Promise<{ readonly name: string; readonly ip: string }> {
  const { items } = await release.get<Pods>('pods', '--selector', `app.kubernetes.io/component=${component}`)
  const [{ metadata, status } = { metadata: { name: '' }, status: { podIP: '' } }] = items
  return { name: metadata.name, ip: status.podIP }
}
