import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { silentLogger } from '@koi-mcp/core'
import type { Rid } from '@koi-mcp/protocol'
import { PostgresServer } from '@koi-mcp/testing'
import { PostgresConnections } from '../src/postgres/postgres-connections.ts'
import { migrate, MIGRATIONS } from '../src/postgres/postgres-format.ts'
import { ThisRelease } from './this-release.ts'
import { binaries, sql } from './test-schemas.ts'

interface Line {
  readonly event: 'opening' | 'open' | 'accepted' | 'told'
  readonly rid: Rid
  readonly text: string
  readonly texts: readonly string[]
}

const PROGRAM = fileURLToPath(new URL('release-process.ts', import.meta.url))

/** A process of a release, and what it says that it did. */
class Replica {
  readonly lines: Line[] = []
  readonly #process: ChildProcess
  readonly #ended: Promise<number | null>
  #errors = ''

  constructor(release: 'before' | 'this', at: { readonly url: string; readonly schema: string }, name: string) {
    const args = ['--conditions=@koi-mcp/source', PROGRAM, release, at.url, at.schema, name]
    this.#process = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    createInterface({ input: this.#process.stdout! }).on('line', (line) => this.lines.push(JSON.parse(line) as Line))
    this.#process.stderr?.on('data', (chunk: Buffer) => (this.#errors += chunk.toString()))
    this.#ended = once(this.#process, 'close').then(([code]) => code as number | null)
  }

  count(event: Line['event']): number {
    return this.lines.filter((line) => line.event === event).length
  }

  async until(event: Line['event'], count = 1): Promise<void> {
    while (this.count(event) < count) {
      if (this.#process.exitCode !== null) throw new Error(`it ended: ${this.#errors}`)
      await sleep(5)
    }
  }

  /** It ends what it does; answers its exit code and what it complained of. */
  async end(): Promise<[number | null, string]> {
    this.#process.stdin?.end()
    return [await this.#ended, this.#errors]
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }
}

describe.skipIf(binaries === '')('the release before and this one', () => {
  let server: PostgresServer
  const replicas: Replica[] = []
  beforeAll(async () => {
    server = await PostgresServer.start(binaries)
    return () => server.remove()
  })
  afterEach(() => {
    for (const replica of replicas.splice(0)) replica.kill()
  })

  const at = (schema: string) => ({ url: server.url, schema })
  const start = (release: 'before' | 'this', schema: string, name: string) => {
    const replica = new Replica(release, at(schema), name)
    replicas.push(replica)
    return replica
  }

  /** Amid a step, which uses the inbox first and then the outbox: until all of those that come stand before a lock. */
  async function amidAStep(schema: string, comers: () => readonly Replica[]): Promise<readonly Replica[]> {
    const step = new pg.Client({ connectionString: server.url })
    await step.connect()
    try {
      await step.query(`SET search_path = ${schema}; BEGIN; LOCK TABLE inbox IN ROW EXCLUSIVE MODE`)
      const [since] = await sql<{ now: Date }>('SELECT now()', [], server.url)
      const come = comers()
      const waiting = `SELECT FROM pg_stat_activity WHERE application_name = $1 AND backend_start > $2 AND wait_event_type = 'Lock'`
      while ((await sql(waiting, [schema, since?.now], server.url)).length < come.length) await sleep(10)
      await step.query('LOCK TABLE outbox_targets, outbox IN ROW EXCLUSIVE MODE; COMMIT')
      return come
    } finally {
      await step.end()
    }
  }

  it('share the store while several processes of this one come at once and one of them migrates it', async () => {
    const schema = 'koi_expanded'
    const first = start('before', schema, 'old-0')
    await first.until('open')
    const before = [first, start('before', schema, 'old-1'), start('before', schema, 'old-2')]
    await Promise.all(before.map((replica) => replica.until('accepted', 50)))
    await sql(
      `SET search_path = ${schema}; CREATE TABLE migrations (old int, new int);
      CREATE FUNCTION note_migration() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO migrations VALUES (OLD.version, NEW.version); RETURN NEW; END $$;
      CREATE TRIGGER note BEFORE UPDATE ON koi_format FOR EACH ROW EXECUTE FUNCTION note_migration()`,
      [],
      server.url,
    )
    const migrations = () => sql(`SELECT old, new FROM ${schema}.migrations`, [], server.url)

    const after = await amidAStep(schema, () =>
      ['0', '1', '2', '3'].map((name) => start('this', schema, `new-${name}`)),
    )
    await Promise.all(after.map((replica) => replica.until('open')))
    expect(await migrations()).toEqual([{ old: 1, new: MIGRATIONS.length }])
    const meanwhile = before.map((replica) => replica.count('accepted'))

    // They go on side by side, and a process of the release before may still be started: an upgrade that is taken back.
    const late = start('before', schema, 'old-late')
    await Promise.all([...after, late].map((replica) => replica.until('accepted', 50)))
    await Promise.all(before.map((replica, index) => replica.until('accepted', meanwhile[index]! + 50)))
    expect(await Promise.all(replicas.map((replica) => replica.end()))).toEqual(replicas.map(() => [0, '']))
    expect(await migrations()).toHaveLength(1)
    const deadlocks = 'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()'
    expect(await sql(deadlocks, [], server.url)).toEqual([{ deadlocks: 0 }])

    const lines = replicas.flatMap((replica) => replica.lines)
    const accepted = lines.filter(({ event }) => event === 'accepted')
    const told = lines.filter(({ event }) => event === 'told').flatMap(({ texts }) => texts)
    const last = await ThisRelease.open({ ...at(schema), name: 'last' })
    try {
      while ((await last.pending()) > 0) await last.work('at once')
      told.push(...(await last.deliver()))
      const { changes, cached, ...rest } = await last.holdings()
      expect(rest).toEqual({ deadLetters: 0, queued: 0 })
      // Each arrival changed the cache once, whoever took it in and whoever worked it off.
      expect(changes).toEqual(accepted.map(({ rid }) => rid).sort())
      const lastOf = new Map(accepted.map(({ rid, text }) => [rid, text]))
      expect([...cached.keys()].sort()).toEqual([...lastOf.keys()].sort())
      for (const [rid, text] of cached) {
        if (!rid.includes(':all-')) expect(text).toBe(lastOf.get(rid))
        expect(told.some((event) => event.includes(text))).toBe(true)
      }
    } finally {
      await last.close()
    }
  })

  it('part where one that is to come contracts the store: who does not know that format is told so', async () => {
    const schema = 'koi_contracted'
    await start('before', schema, 'old').until('open')
    const db = new PostgresConnections({ ...at(schema), log: silentLogger, connections: 1, durability: 'full' })
    const contracting = { sql: 'DROP FUNCTION settle', oldest: 2 }
    await migrate(db, schema, [...MIGRATIONS, contracting]).finally(() => db.close())
    const late = start('before', schema, 'late')
    const [code, errors] = await late.end()
    expect([code, late.count('open')]).toEqual([1, 0])
    expect(errors).toContain(`has format ${MIGRATIONS.length + 1}, and this release works on formats up to 1`)
  })
})
