import { afterEach, describe, expect, it } from 'vitest'
import type { WorkKind } from '@koi-mcp/core'
import { openBullQueue } from '../src/bullmq/bull-queue.ts'
import { QueueUser, until } from './queue-user.ts'
import { asked, testNamespaces, url } from './test-namespaces.ts'

it('wants a namespace that no other node can have by accident', () => {
  const open = (namespace: string) => openBullQueue({ url, namespace, store: { onWake: () => () => undefined } })
  expect(() => open('bull')).toThrow('namespace: "bull" is no koi_<name> of a-z, 0-9 and _, 63 characters at most')
})

describe.skipIf(url === '')('processes that BullMQ wakes', () => {
  const namespaces = testNamespaces()
  const opened: QueueUser[] = []
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((user) => user.close()))
  })
  /** How many jobs were asked for. */
  const added = (namespace: string, kind: WorkKind = 'lanes') =>
    asked(async (redis) => Number(await redis.get(`{${namespace}}:work:${kind}:id`)))
  /** Two processes of a node for which there is nothing to do. */
  const two = async () => {
    const namespace = namespaces()
    const users = [new QueueUser(url, namespace), new QueueUser(url, namespace)] as const
    opened.push(...users)
    // Each of them asks that there be looked for both, once it has found Redis.
    await until(async () => (await added(namespace)) >= 2 && (await added(namespace, 'deliveries')) >= 2)
    await users[0].settled()
    for (const { looks } of users) looks.length = 0
    return { one: users[0], other: users[1], namespace }
  }
  /** Gives work until this one holds a job. */
  const untilHolds = (user: QueueUser) =>
    until(() => {
      if (!user.holds) user.commit()
      return user.holds
    })

  it('look for work one at a time, whoever gave it', async () => {
    const { one, other } = await two()
    one.commit()
    await until(() => one.looks.length + other.looks.length > 0)
    await one.settled()
    expect([...one.looks, ...other.looks]).toEqual(['lanes'])
  })

  it('leave what others committed to those', async () => {
    const { one, other, namespace } = await two()
    const before = await added(namespace)
    other.commit(true)
    one.commit()
    await until(() => one.looks.length + other.looks.length > 0)
    await one.settled()
    expect([(await added(namespace)) - before, one.looks.length + other.looks.length]).toEqual([1, 1])
  })

  it('have as many jobs in a burst as they can look, and one behind those', async () => {
    const { one, other, namespace } = await two()
    const before = await added(namespace)
    for (const user of [one, other]) user.fill()
    await untilHolds(one)
    await untilHolds(other)
    for (let commit = 0; commit < 10_000; commit++) {
      one.commit()
      if (commit % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await until(async () => (await one.queue.counts())?.lanes.waiting === 1)
    expect(await one.queue.counts()).toEqual({
      lanes: { waiting: 1, active: 2, delayed: 0, failed: 0 },
      deliveries: { waiting: 0, active: 0, delayed: 0, failed: 0 },
    })
    expect((await added(namespace)) - before).toBeLessThan(1_000)
    const looks = one.looks.length + other.looks.length
    for (const user of [one, other]) user.empty()
    await one.settled()
    // The one that waited, and what may have been gathered meanwhile.
    expect([1, 2]).toContain(one.looks.length + other.looks.length - looks)
  })

  it('keep their hands off wake-ups that they have no room for, and hand on what they leave', async () => {
    const { one, other } = await two()
    one.fill()
    await untilHolds(one)
    for (let time = 0; time < 20; time++) {
      const before = other.looks.length
      one.queue.handOn('lanes')
      await until(() => other.looks.length > before)
    }
    const before = one.looks.length
    expect(one.holds).toBe(true)
    other.fill()
    await untilHolds(other)
    one.commit()
    one.empty()
    await until(() => one.looks.length > before)
  })

  it('leave nothing behind when they close, and say that others are to look', async () => {
    const { one, other, namespace } = await two()
    await one.close()
    await until(() => other.looks.includes('lanes') && other.looks.includes('deliveries'))
    await other.settled()
    await other.close()
    const keys = await asked((redis) => redis.keys(`{${namespace}}:*`))
    // But for what the last one said: it is found by the next process that starts.
    expect(keys.filter((key) => /:\d+(:lock)?$|:(completed|failed|active)$/.test(key))).toHaveLength(2)
  })
})
