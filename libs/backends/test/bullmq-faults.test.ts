import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { RedisServer } from '@koi-mcp/testing'
import { QueueUser, until } from './queue-user.ts'
import { asked, program } from './test-namespaces.ts'

describe.skipIf(program === '')('a queue on BullMQ', () => {
  let server: RedisServer
  let namespace: string
  let count = 0
  beforeAll(async () => {
    server = await RedisServer.start(program)
  })
  afterAll(() => server?.remove())

  const ends: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    await Promise.all(ends.splice(0).map((end) => end()))
  })
  const next = () => (namespace = `koi_faults_${count++}`)
  const open = (): QueueUser => {
    const user = new QueueUser(server.url, namespace)
    ends.push(() => user.close())
    return user
  }
  const isUp = ({ queue }: QueueUser) => until(() => queue.state === 'up')
  const isAway = ({ queue }: QueueUser) => until(() => queue.state === 'away')
  /** Whoever of them is woken for what one commits; nothing is lost or stuck then. */
  const works = async (...users: readonly QueueUser[]) => {
    for (const user of users) {
      await isUp(user)
      await user.settled()
      for (const { looks } of users) looks.length = 0
      user.commit()
      await until(() => users.some(({ looks }) => looks.includes('lanes')))
    }
    await users[0]?.settled()
  }

  it('goes on without Redis, and with it again', async () => {
    next()
    const [one, other] = [open(), open()]
    await works(one, other)
    await server.signal('TERM')
    for (const user of [one, other]) await isAway(user)
    expect(await one.queue.counts()).toBeUndefined()
    for (const { looks } of [one, other]) looks.length = 0
    // As the store tells it to all.
    one.commit()
    other.commit(true)
    one.queue.handOn('lanes')
    expect([one.looks, other.looks]).toEqual([['lanes'], ['lanes']])
    const late = open()
    late.commit()
    expect([late.queue.state, late.looks]).toEqual(['away', ['lanes']])
    const closing = open()
    await closing.close()
    await server.startAgain()
    await works(one, other, late)
  })

  it('looks for what Redis took with it when it went', async () => {
    next()
    const one = open()
    await works(one)
    one.fill()
    await until(() => {
      if (!one.holds) one.commit()
      return one.holds
    })
    one.commit()
    await until(async () => (await one.queue.counts())?.lanes.waiting === 1)
    one.looks.length = 0
    await server.signal('KILL')
    await until(() => one.looks.includes('lanes') && one.looks.includes('deliveries'))
    await server.startAgain()
    one.empty()
    await works(one)
  })

  it('keeps nobody waiting for a Redis that is deaf', async () => {
    next()
    const one = open()
    await works(one)
    one.looks.length = 0
    await server.signal('STOP')
    one.commit()
    await until(() => one.looks.includes('lanes'))
    expect(one.queue.state).toBe('away')
    one.looks.length = 0
    one.commit()
    expect(one.looks).toEqual(['lanes'])
    await server.signal('CONT')
    await works(one)
  })

  it('survives that Redis is flushed, whatever is there in that moment', async () => {
    next()
    const [one, other] = [open(), open()]
    await works(one, other)
    for (let time = 0; time < 50; time++) {
      for (let commit = 0; commit < 20; commit++) {
        ;[one, other][commit % 2]!.commit()
        await new Promise((resolve) => setImmediate(resolve))
      }
      await asked((redis) => redis.flushall(), server.url)
    }
    for (const user of [one, other]) user.fill()
    for (const user of [one, other]) {
      await until(() => {
        if (!user.holds) user.commit()
        return user.holds
      })
    }
    one.commit()
    await until(async () => (await one.queue.counts())?.lanes.waiting === 1)
    await asked((redis) => redis.flushall(), server.url)
    for (const user of [one, other]) user.empty()
    await works(one, other)
  })

  it('takes the job of a process that died or sleeps, and that of one which wakes up harms nothing', async () => {
    next()
    const file = fileURLToPath(new URL('queue-user-process.ts', import.meta.url))
    const args = ['--conditions=@koi-mcp/source', file, server.url, namespace]
    const start = async () => {
      const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
      const exit = once(child, 'exit')
      ends.push(() => (child.kill('SIGKILL'), exit))
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      expect((await lines.next()).value).toBe('holds')
      return { child, lines, exit }
    }
    const dead = await start()
    dead.child.kill('SIGKILL')
    await dead.exit
    const sleeper = await start()
    sleeper.child.kill('SIGSTOP')
    const one = open()
    await isUp(one)
    // Those that they took are among them until they are found.
    await one.settled()
    sleeper.child.kill('SIGCONT')
    sleeper.child.stdin.write('empty\n')
    const looked = sleeper.lines.next()
    let hasLooked = false
    void looked.then(() => (hasLooked = true))
    await until(() => {
      one.commit()
      return hasLooked
    })
    expect((await looked).value).toBe('looked')
    sleeper.child.stdin.end()
    expect(await sleeper.exit).toEqual([0, null])
    await works(one)
  })
})
