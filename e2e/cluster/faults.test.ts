import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { say } from './commands.ts'
import { ANY_NODE, ExampleNetwork, PRODUCER, twoOfEach } from './example-network.ts'

interface Container {
  readonly lastState: { readonly terminated?: { readonly reason: string } }
}
interface Pods {
  readonly items: readonly { readonly status: { readonly containerStatuses: readonly Container[] } }[]
}

/** Told by a signal, a process takes memory until it is killed for it. */
const GLUTTONY = 'const held=[];process.on("SIGUSR2",()=>setInterval(()=>held.push(Buffer.alloc(3e7,1)),20))'
const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(GLUTTONY)}`

let network: ExampleNetwork

beforeAll(async () => {
  network = await ExampleNetwork.prepare()
  const gluttonous = { extraEnv: [{ name: 'NODE_OPTIONS', value: NODE_OPTIONS }] }
  await network.install(twoOfEach(network, { nodeDefaults: gluttonous }))
})

afterAll(() => network.remove())

/** Loads the producer meanwhile, and says what became of it. */
async function underLoad(seconds: number, what: () => Promise<string>): Promise<void> {
  const load = network.client.load('producer-example', seconds)
  const done = await what()
  const { acknowledged, refused, held } = await load
  const agreed = await network.agreesOn(held)
  say(`${done}: ${acknowledged} acknowledged, refused ${JSON.stringify(refused)}; agreed after ${agreed} s`)
  // How much it takes depends on the machine; that it took something all the while is what counts.
  expect(acknowledged).toBeGreaterThan(seconds / 4)
}

describe('nothing acknowledged is lost', () => {
  test('while a pod is killed every few seconds', async () => {
    await underLoad(120, async () => {
      let kills = 0
      for (const until = performance.now() + 110_000; performance.now() < until; await wait(5_000)) {
        const pods = await network.release.pods(ANY_NODE)
        const pod = pods[Math.floor(Math.random() * pods.length)]
        if (pod === undefined) continue
        await network.release.kubectl('delete', 'pod', pod, '--grace-period=0', '--force')
        kills += 1
      }
      expect(kills).toBeGreaterThan(10)
      return `${kills} pods killed`
    })
  })

  test('when containers exceed their memory limit', async () => {
    const { release } = network
    await expect.poll(async () => (await release.pods(ANY_NODE)).length).toBe(6)
    await underLoad(40, async () => {
      await wait(5_000)
      const [pod] = await release.pods(PRODUCER)
      await release.kubectl('exec', pod!, '--', '/usr/local/bin/node', '-e', 'process.kill(1, "SIGUSR2")')
      const reasons = async () => {
        const { items } = await release.get<Pods>('pods', '--selector', PRODUCER)
        return items.flatMap(({ status }) =>
          status.containerStatuses.map(({ lastState }) => lastState.terminated?.reason),
        )
      }
      await expect.poll(reasons).toContain('OOMKilled')
      return 'a producer killed for its memory'
    })
  })

  test('when Postgres and Valkey are deleted and come back', async () => {
    await underLoad(60, async () => {
      for (const server of ['valkey', 'postgres']) {
        await wait(10_000)
        const selector = `app.kubernetes.io/component=${server}`
        await network.release.kubectl('delete', 'pod', '--selector', selector, '--wait=false')
      }
      return 'Valkey and Postgres deleted'
    })
  })
})
