import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { say, seconds } from './commands.ts'
import { ANY_NODE, ExampleNetwork, twoOfEach } from './example-network.ts'
import { NEXT, RELEASE } from './release.ts'

let network: ExampleNetwork

beforeAll(async () => {
  network = await ExampleNetwork.prepare()
  await network.install(twoOfEach(network))
})

afterAll(() => network.remove())

describe('an upgrade on a cluster', () => {
  test('to a new image, and the way back, fail no request through the Service', async () => {
    const { release, client } = network
    const before = await network.rids()
    const steps: [string, () => Promise<unknown>][] = [
      ['upgrade', () => release.upgrade(twoOfEach(network, NEXT))],
      ['rollback', () => release.helm('rollback', RELEASE, '--wait', '--timeout', '5m')],
    ]
    for (const [name, step] of steps) {
      const old = await release.pods(ANY_NODE)
      const load = client.load('producer-example', 75)
      const took = await seconds(step)
      const kept = (await release.pods(ANY_NODE)).filter((pod) => old.includes(pod))
      const { acknowledged, refused, held } = await load
      const agreed = await network.agreesOn(held)
      say(
        `${name} of every pod took ${took} s: ${acknowledged} acknowledged, ` +
          `refused ${JSON.stringify(refused)}; agreed after ${agreed} s`,
      )
      expect(refused).toEqual({})
      expect(kept).toEqual([])
    }
    expect(await network.rids()).toEqual(before)
  })
})
