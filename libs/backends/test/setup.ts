import { appendFileSync } from 'node:fs'
import type { TestProject } from 'vitest/node'
import { findPostgres, findRedis, PostgresServer, RedisServer } from '@koi-mcp/testing'

declare module 'vitest' {
  interface ProvidedContext {
    /** A server that all tests share, each in schemas of its own; empty where none can be had. */
    postgresUrl: string
    /** The folder with Postgres' programs, for tests that stop their server; empty where there is none. */
    postgresBinaries: string
    /** The same of Redis; each test has a namespace of its own. */
    redisUrl: string
    redisProgram: string
  }
}

/** One server of each for the run: those that are named, or that are started here. Without one, its tests are skipped, but fail in CI. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { DATABASE_URL, REDIS_URL, PATH = '' } = process.env
  const binaries = findPostgres(PATH)
  checkThere('Postgres', binaries, 'postgresql', { name: 'DATABASE_URL', given: DATABASE_URL })
  const program = findRedis(PATH)
  checkThere('Redis', program, 'redis-server', { name: 'REDIS_URL', given: REDIS_URL })
  const [postgres, redis] = await Promise.all([
    binaries === undefined || DATABASE_URL ? undefined : PostgresServer.start(binaries),
    program === undefined || REDIS_URL ? undefined : RedisServer.start(program),
  ])
  project.provide('postgresBinaries', binaries ?? '')
  project.provide('postgresUrl', postgres?.url ?? DATABASE_URL ?? '')
  project.provide('redisProgram', program ?? '')
  project.provide('redisUrl', redis?.url ?? REDIS_URL ?? '')
  return async () => {
    await Promise.all([postgres?.remove(), redis?.remove()])
  }
}

/** @throws Error in CI, where nothing may be skipped for want of a server */
function checkThere(
  server: string,
  found: string | undefined,
  debian: string,
  variable: { readonly name: string; readonly given: string | undefined },
): void {
  if (found !== undefined) return
  const [tests, other] = variable.given ? ['start and stop', ''] : ['use', `, or set ${variable.name}`]
  const why = `tests that ${tests} ${server} need it on this machine: install it (Debian: apt-get install ${debian})${other}`
  tell(why)
  if (process.env.CI === 'true' && !variable.given) throw new Error(why)
}

/** For whoever reads along, and for the summary of `npm test`. */
function tell(why: string): void {
  process.stderr.write(`backends: ${why}\n`)
  if (process.env.TEST_SKIPPED_FILE) appendFileSync(process.env.TEST_SKIPPED_FILE, `${why}\n`)
}
