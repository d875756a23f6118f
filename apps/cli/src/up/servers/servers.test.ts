import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { messageOf } from '../../errors.ts'
import { isAlive } from '../services.ts'
import { findPostgres } from './postgres.ts'
import { findRedis } from './redis.ts'
import { Servers } from './servers.ts'
import type { ServersOptions } from './servers.ts'

const PATH = process.env['PATH'] ?? ''
/** What is missing on this machine; in CI its absence fails. */
const missing = [findRedis, findPostgres].flatMap((find) => {
  try {
    find(PATH)
    return []
  } catch (error) {
    return [messageOf(error)]
  }
})
const real = test.skipIf(missing.length > 0 && process.env['CI'] !== 'true')

const NEVER = new AbortController().signal

const servers = async (options: Partial<ServersOptions> = {}) => {
  const state = options.state ?? (await mkdtemp(join(tmpdir(), 'koi servers-')))
  const said: string[] = []
  const made = new Servers({
    backend: 'redis+postgres',
    state,
    env: process.env,
    onChange: () => undefined,
    say: (text) => said.push(text),
    warn: (title, text) => said.push(`${title} ${text}`),
    ...options,
  })
  onTestFinished(async () => {
    await made.stop()
    await rm(state, { recursive: true, force: true })
  })
  return { made, state, said }
}

/** One command to a Redis of ours, as text. */
const redis = async (url: string, command: string): Promise<string> => {
  const socket = connect(new URL(url).searchParams.get('path') ?? '')
  socket.end(`${command}\r\n`)
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text.trim()
}

/** Postgres answers to the request for encryption, before anybody says who he is, with one letter. */
const postgres = async (url: string): Promise<string> => {
  const socket = connect(join(new URL(url).searchParams.get('host') ?? '', '.s.PGSQL.5432'))
  socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return answer.toString()
}

const pidsOf = ({ made }: { made: Servers }) => ({
  redis: made.running.redis?.pid,
  postgres: made.running.postgres?.pid,
})

real(
  'both start in the state folder, outlive a kill with what they hold, and leave nothing running',
  async () => {
    const first = await servers()
    const urls = await first.made.start(NEVER)
    expect(first.said).toEqual(['Starting Redis and Postgres…', 'Making a Postgres database in the state folder…'])
    expect(await redis(urls.redis!, 'SET a 1')).toBe('+OK')
    expect(await postgres(urls.postgres!)).toBe('N')
    for (const [setting, value] of [
      ['appendonly', 'yes'],
      ['appendfsync', 'always'],
      ['maxmemory-policy', 'noeviction'],
    ] as const) {
      expect(await redis(urls.redis!, `CONFIG GET ${setting}`)).toContain(`\r\n${value}`)
    }

    const before = pidsOf(first)
    for (const pid of first.made.pids) process.kill(pid, 'SIGKILL')
    const isNew = () => {
      const now = pidsOf(first)
      return [now.redis, now.postgres].every((pid) => pid !== undefined && !Object.values(before).includes(pid))
    }
    await expect.poll(isNew, { timeout: 60_000 }).toBe(true)
    expect(first.said.slice(2).sort()).toEqual([
      'Postgres ended (killed by signal 9); it is started again in 0.25 s',
      'Redis ended (killed by signal 9); it is started again in 0.25 s',
    ])
    expect(await redis(urls.redis!, 'GET a')).toBe('$1\r\n1')
    expect(await postgres(urls.postgres!)).toBe('N')

    const last = first.made.pids
    await first.made.stop()
    expect(last.filter(isAlive)).toEqual([])
    expect(first.made.pids).toEqual([])

    const again = await servers({ state: first.state })
    expect(await again.made.start(NEVER)).toEqual(urls)
    expect(again.said).toEqual(['Starting Redis and Postgres…'])
    expect(await redis(urls.redis!, 'GET a')).toBe('$1\r\n1')
  },
  120_000,
)

test('servers that the person names are used as they are', async () => {
  const env = { REDIS_URL: 'redis://r', DATABASE_URL: 'postgres://p' }
  const { made, state } = await servers({ env })
  expect(await made.start(NEVER)).toEqual({ redis: 'redis://r', postgres: 'postgres://p' })
  expect(made.running).toEqual({})
  expect(existsSync(join(state, 'postgres'))).toBe(false)
})

test('where one is not installed, it says what to install', async () => {
  const { made } = await servers({ env: { PATH: '/nowhere' } })
  await expect(made.start(NEVER)).rejects.toThrow(
    'Redis is not installed: there is no redis-server on the PATH. Install it (Debian and Ubuntu: apt-get install redis-server;',
  )
  expect(made.pids).toEqual([])
})

real('what keeps a server from starting is shown, and the other ends', async () => {
  const { made, state } = await servers()
  // No data of a server are in there.
  await mkdir(join(state, 'postgres'))
  await expect(made.start(NEVER)).rejects.toThrow(
    /^Postgres could not start \(exit code \d+\)\. The end of .*postgres\.log:\n/u,
  )
})

real('a Redis that runs already in the folder is not joined by a second', async () => {
  const { made, state } = await servers({ backend: 'redis' })
  await made.start(NEVER)
  const { made: second } = await servers({ backend: 'redis', state })
  await expect(second.start(NEVER)).rejects.toThrow(`A Redis server runs already in ${join(state, 'redis')}. Stop it:`)
})

real('a stop during the start leaves nothing', async () => {
  const { made, state } = await servers({ backend: 'redis' })
  const stop = new AbortController()
  const start = made.start(stop.signal)
  stop.abort(new Error('asked to stop'))
  await expect(start).rejects.toThrow('asked to stop')
  await made.stop()
  const { made: second } = await servers({ backend: 'redis', state })
  await second.start(NEVER)
})
