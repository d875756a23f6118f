import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, inject } from 'vitest'
import type { LaneLease, NodeStore } from '@koi-mcp/core'

export const url = inject('postgresUrl')
export const binaries = inject('postgresBinaries')

/** Names of schemas that are dropped when the file's tests are over. */
export function testSchemas(): () => string {
  const names: string[] = []
  afterAll(async () => {
    for (const name of names) await sql(`DROP SCHEMA IF EXISTS "${name}" CASCADE`)
  })
  return () => {
    const name = `koi_test_${randomBytes(6).toString('hex')}`
    names.push(name)
    return name
  }
}

/** Makes a schema as it was when it was new: in a tenth of the time that making a new one takes. */
export async function empty(schema: string): Promise<void> {
  const tables = await sql<{ name: string }>(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = $1 AND tablename <> 'koi_format'`,
    [schema],
  )
  if (tables.length === 0) return
  const deletes = tables.map(({ name }) => `DELETE FROM ${name}`)
  await sql(
    [
      ...deletes,
      `INSERT INTO ${schema}.last_of_network VALUES (1, 0)`,
      `SELECT setval('${schema}.change_seqs', 0)`,
    ].join('; '),
  )
}

/** Asks the server past the store. */
export async function sql<T>(text: string, values: unknown[] = [], server = url): Promise<T[]> {
  const client = new pg.Client({ connectionString: server })
  await client.connect()
  try {
    // Without values, text may hold more than one statement.
    return (await (values.length === 0 ? client.query(text) : client.query(text, values))).rows as T[]
  } finally {
    await client.end()
  }
}

export async function takeLane(store: NodeStore, leaseMs: number): Promise<LaneLease | undefined> {
  return (await store.takeLanes('w', leaseMs, 1))[0]?.lease
}
