import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { asRid, generateBundle, contentsOf } from '@koi-mcp/protocol'
import { openPostgresStore } from '../src/postgres/open-postgres-store.ts'
import { sql, takeLane, testSchemas, url } from './test-schemas.ts'

const RID = asRid('orn:data-catalog.dataset:a')
const PEER = asRid(`orn:koi-net.node:peer+${'a'.repeat(64)}`)

describe.skipIf(url === '')('a lapsed target', () => {
  const schema = testSchemas()()

  it('is resumed behind whoever is just passing it over, whose change is cached then', async () => {
    const store = await openPostgresStore({ url, schema })
    const client = new pg.Client({ connectionString: url })
    try {
      const { manifest, contents } = generateBundle(RID, contentsOf({ a: 1 }), '2026-01-01T00:00:00Z')
      await store.accept([{ rid: RID, eventType: 'NEW', manifest, contents, source: PEER }])
      const lease = (await takeLane(store, 60_000))!
      const { place } = (await store.nextArrival(lease))!
      const write = { kind: 'write', normalizedEventType: 'NEW', bundle: { manifest, contents } } as const
      await store.apply(lease, place, write, { arrivals: [], sends: [] })
      await store.announce(lease, place, [PEER], { arrivals: [], sends: [] })
      expect(await store.lapseDeliveries(PEER, Date.now() + 60_000)).toBe(1)

      await client.connect()
      await client.query(`SET search_path = ${schema}; BEGIN`)
      await client.query(`SELECT queue_change_2(NULL, $1, 'UPDATE', $2, false, NULL)`, [RID, [PEER]])
      let ended = false
      const resuming = store.resumeDeliveries(PEER).finally(() => (ended = true))
      while (!ended && !(await someoneWaits())) await new Promise((resolve) => setTimeout(resolve, 5))
      expect(ended).toBe(false)
      await client.query('COMMIT')
      expect(await resuming).toBe(true)
    } finally {
      await client.end()
      await store.close()
    }
  })

  async function someoneWaits(): Promise<boolean> {
    const waiting = await sql(
      `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND classid = hashtext($1)::oid`,
      [schema],
    )
    return waiting.length > 0
  }
})
