import { LeaseLostError, storedBundle, textToSend } from '@koi-mcp/core'
import type { Clock, DeliveryBatch, DueTarget, OutboxTargetState, TakeOptions } from '@koi-mcp/core'
import type { EventType, Rid } from '@koi-mcp/protocol'
import type { PostgresConnections, Queries } from './postgres-connections.ts'

/** Rows looked at in one go while a batch is put together. */
const PAGE = 100
/** Stands before every target. */
const FIRST = { target: '' as Rid, dueAt: 0 }

interface QueuedRow {
  id: number
  rid: Rid
  event_type: EventType | null
  text: string | null
  manifest: string | null
  contents: string | null
}

interface Collected {
  readonly batch: readonly { readonly id: number; readonly rid: Rid; readonly text: string }[]
  readonly gone: readonly number[]
}

/** Batches on their way: one at a time for each target, under a lease. */
export class PostgresOutbox {
  readonly #db: PostgresConnections
  readonly #clock: Clock | undefined

  constructor(db: PostgresConnections, clock: Clock | undefined) {
    this.#db = db
    this.#clock = clock
  }

  dueTargets(limit: number, { dueAt, target }: Pick<DueTarget, 'target' | 'dueAt'> = FIRST): Promise<DueTarget[]> {
    return this.#db.all<DueTarget>(
      `SELECT target, due_at AS "dueAt", failures FROM outbox_targets AS state
       WHERE (due_at, target) > ($2, $3) AND (due_at <= now_ms($1) OR failures = 0) AND expires_at <= now_ms($1)
         AND EXISTS (SELECT FROM outbox WHERE outbox.target = state.target)
       ORDER BY due_at, target LIMIT $4`,
      this.#now,
      dueAt,
      target,
      limit,
    )
  }

  /** Only a target that failed waits for its moment. */
  async nextDeliveryAt(): Promise<number | undefined> {
    const row = await this.#db.get<{ at: number | null }>(
      `SELECT min(at) AS at FROM (
         SELECT greatest(CASE WHEN failures = 0 THEN 0 ELSE due_at END, expires_at) AS at FROM outbox_targets AS state
         WHERE EXISTS (SELECT FROM outbox WHERE outbox.target = state.target)
       ) AS waiting WHERE at > now_ms($1)`,
      this.#now,
    )
    return row?.at ?? undefined
  }

  /** The target is locked until the lease is written: of two that ask at once, one gets the batch. */
  async take(target: Rid, options: TakeOptions): Promise<DeliveryBatch | undefined> {
    return this.#db.transaction(async (queries) => {
      await queries.get('SELECT close_target($1)', target)
      const state = await queries.get<{ held: boolean; due: boolean; failures: number }>(
        `SELECT expires_at > now_ms($1) AS held, failures = 0 OR due_at <= now_ms($1) AS due, failures
         FROM outbox_targets WHERE target = $2 FOR UPDATE`,
        this.#now,
        target,
      )
      if (state === undefined || state.held || !(state.due || options.ignoreDue === true)) return undefined
      const { batch, gone } = await collect(queries, target, options)
      if (gone.length > 0) await queries.get('DELETE FROM outbox WHERE target = $1 AND id = ANY ($2)', target, gone)
      const upTo = batch.at(-1)?.id
      if (upTo === undefined) {
        // Nothing is left that could have failed.
        await queries.get('UPDATE outbox_targets SET failures = 0, last_error = NULL WHERE target = $1', target)
        return undefined
      }
      // From here on the target may have had them, whether or not it says so.
      await queries.get('UPDATE outbox SET fresh = false WHERE id = ANY ($1) AND fresh', rowsOf(batch))
      const lease = await queries.get<{ token: number }>(
        `UPDATE outbox_targets SET owner = $3, token = nextval('tokens'), expires_at = now_ms($1) + $4, up_to = $5
         WHERE target = $2 RETURNING token`,
        this.#now,
        target,
        options.owner,
        options.leaseMs,
        upTo,
      )
      return {
        target,
        owner: options.owner,
        token: lease?.token ?? 0,
        eventTexts: batch.map(({ text }) => text),
        rids: batch.map(({ rid }) => rid),
        failures: state.failures,
        rows: rowsOf(batch),
      }
    })
  }

  async renew({ target, owner, token }: DeliveryBatch, leaseMs: number): Promise<void> {
    const row = await this.#db.get(
      `UPDATE outbox_targets SET expires_at = now_ms($1) + $5
       WHERE target = $2 AND owner = $3 AND token = $4 AND expires_at > now_ms($1) RETURNING target`,
      this.#now,
      target,
      owner,
      token,
      leaseMs,
    )
    if (row === undefined)
      throw new LeaseLostError(`Deliveries to ${target} are no longer held by ${owner} (token ${token})`)
  }

  /** Answers whether more is queued. */
  async done({ target, owner, token, rows }: DeliveryBatch): Promise<boolean> {
    const sql = 'SELECT deliveries_done($1, $2, $3, $4, $5) AS more'
    return (await this.#db.get<{ more: boolean }>(sql, this.#now, target, owner, token, rows))?.more ?? false
  }

  async failed(
    { target, owner, token, rids }: DeliveryBatch,
    { error, dueAt }: { error: string; dueAt: number },
  ): Promise<void> {
    const sql = 'SELECT deliveries_failed_2($1, $2, $3, $4, $5, $6, $7)'
    const text = error.replaceAll('\u0000', '\ufffd')
    await this.#db.get(sql, this.#now, target, owner, token, [...new Set(rids)], text, Math.trunc(dueAt))
  }

  async drop(target: Rid): Promise<number> {
    const sql = 'SELECT drop_deliveries_2($1, $2) AS dropped'
    return (await this.#db.get<{ dropped: number }>(sql, this.#now, target))?.dropped ?? 0
  }

  async state(): Promise<OutboxTargetState[]> {
    const rows = await this.#db.all<OutboxTargetState & { last_error: string | null }>(
      `SELECT target, count(*) AS queued, min(queued_at) AS "oldestAt", failures, last_error
       FROM outbox_targets JOIN outbox USING (target) GROUP BY target ORDER BY target`,
    )
    return rows.map(({ last_error: lastError, ...row }) => (lastError === null ? row : { ...row, lastError }))
  }

  get #now(): number | null {
    return this.#clock === undefined ? null : Math.trunc(this.#clock())
  }
}

/** Events up to the bounds, the first one always; and rows whose bundle is gone, which nobody will send any more. */
async function collect(queries: Queries, target: Rid, { limit, maxBytes }: TakeOptions): Promise<Collected> {
  const batch: { id: number; rid: Rid; text: string }[] = []
  const gone: number[] = []
  let bytes = 0
  let page: QueuedRow[]
  let after = 0
  do {
    page = await queries.all<QueuedRow>(
      `SELECT id, outbox.rid, event_type, text, manifest, contents
       FROM outbox LEFT JOIN cache ON text IS NULL AND event_type <> 'FORGET' AND cache.rid = outbox.rid
       WHERE target = $1 AND id > $2 ORDER BY id LIMIT $3`,
      target,
      after,
      limit === 0 ? PAGE : Math.min(PAGE, limit),
    )
    for (const row of page) {
      const text = row.text ?? textOfReference(row)
      after = row.id
      if (text === undefined) {
        gone.push(row.id)
        continue
      }
      // One more for the comma between events.
      bytes += Buffer.byteLength(text) + 1
      if (batch.length > 0 && maxBytes !== undefined && bytes > maxBytes) return { batch, gone }
      batch.push({ id: row.id, rid: row.rid, text })
      if (batch.length === limit) return { batch, gone }
    }
  } while (page.length > 0)
  return { batch, gone }
}

function textOfReference({ rid, event_type, manifest, contents }: QueuedRow): string | undefined {
  if (event_type === null) return undefined
  const bundle = manifest === null || contents === null ? undefined : storedBundle(manifest, contents)
  return textToSend(rid, event_type, bundle)
}

function rowsOf(batch: Collected['batch']): number[] {
  return batch.map(({ id }) => id)
}
