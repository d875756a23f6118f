import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ConsumerNode, DomainExtension } from '@koi-mcp/core'
import type { KnowledgeAdapter } from '@koi-mcp/core'
import { contentsOf, generateBundle } from '@koi-mcp/protocol'
import { openPostgresStore } from '../src/postgres/open-postgres-store.ts'
import { NoteRID } from './node-replicas.ts'
import { sql, testSchemas, url } from './test-schemas.ts'

// RECOVERY_BUNDLES=1000000 RECOVERY_BYTES=1000 measures a large node.
const { RECOVERY_BUNDLES = '50000', RECOVERY_BYTES = '10000' } = process.env
const BUNDLES = Number(RECOVERY_BUNDLES)
const BYTES = Number(RECOVERY_BYTES)
const MIB = 2 ** 20
/** Of 500 MB that are cached a page at a time is in memory, beside what the collector has not taken yet. */
const MOST_MIB = 350

class CountingAdapter implements KnowledgeAdapter {
  readonly name = 'counting'
  readonly ridTypes = [NoteRID]
  readonly times = new Uint8Array(BUNDLES)
  peak = 0
  #registered = 0
  register({ rid }: { rid: string }): void {
    this.times[Number(rid.slice(rid.lastIndexOf(':') + 1))]! += 1
    this.#registered += 1
    if (this.#registered % 100 === 0) this.peak = Math.max(this.peak, process.memoryUsage.rss())
  }
  forget(): void {
    throw new Error('nothing is forgotten here')
  }
}

class CountingExtension extends DomainExtension {
  readonly name = 'notes'
  readonly adapter = new CountingAdapter()
  override get ridTypes() {
    return [NoteRID]
  }
  override get adapters() {
    return [this.adapter]
  }
}

describe.skipIf(url === '')('recover_state on Postgres', () => {
  const schema = testSchemas()()
  const folder = mkdtempSync(join(tmpdir(), 'koi-recovery-'))
  const domain = new CountingExtension()
  const node = () =>
    new ConsumerNode({
      name: 'recovering',
      privateKeyFile: join(folder, 'private.pem'),
      openStore: (context) => openPostgresStore({ url, schema, ...context }),
      domains: [domain],
    })
  afterAll(() => rmSync(folder, { recursive: true }))

  it(`shows an adapter each of ${BUNDLES} bundles once as the node starts, and never holds them all`, async () => {
    const first = node()
    await first.start()
    await first.stop()
    const contents = contentsOf({ text: 'x'.repeat(BYTES) })
    const { manifest } = generateBundle(NoteRID.of('NUMBER'), contents, '2026-01-01T00:00:00Z')
    await sql(
      `INSERT INTO ${schema}.cache (rid, type, origin, seq, manifest, contents, words)
       SELECT 'orn:notes.note:' || n, 'orn:notes.note', NULL, 1000 + n, replace($1, 'NUMBER', n::text), $2, ''
       FROM generate_series(0, $3::int - 1) AS n`,
      [manifest.text, contents.text, BUNDLES],
    )
    await sql(`SELECT setval('${schema}.change_seqs', $1)`, [1_000 + BUNDLES])

    const before = process.memoryUsage.rss()
    const again = node()
    const began = performance.now()
    await again.start()
    const ready = performance.now() - began
    try {
      await again.idle()
      const seconds = (performance.now() - began) / 1_000
      expect(domain.adapter.times.every((times) => times === 1)).toBe(true)
      const grown = (domain.adapter.peak - before) / MIB
      process.stdout.write(
        `${BUNDLES} bundles of ${BYTES} bytes: started after ${Math.round(ready)} ms, all shown after ${seconds.toFixed(1)} s, ${grown.toFixed(0)} MiB more memory at most\n`,
      )
      expect(grown).toBeLessThan(MOST_MIB)
    } finally {
      await again.stop()
    }
  }, 900_000)
})
