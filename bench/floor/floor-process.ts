/**
 * The floor under each row: a bare loop that does what cannot be left out, and nothing else. It parses with `JSON.parse`, verifies, hashes, writes
 * one table with one index in a transaction an envelope (WAL, `synchronous = FULL`), reads, prints, signs. No HTTP, no queue, no search index, no
 * change log, no checks. Commands come over IPC.
 */
import { sign, verify } from 'node:crypto'
import { rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { generateKeyPair, nodeRid, sha256Contents } from '@koi-mcp/protocol'
import type { JsonObject, Rid } from '@koi-mcp/protocol'
import { noteRid, seedBundle } from '../load/knowledge.ts'
import { Sender } from '../load/sender.ts'
import { serveCommands } from '../process/serve-commands.ts'

export interface FloorCommands {
  /** A new file with so many notes; the one before goes. */
  open: { args: { file: string; seed: number }; answer: null }
  events: { args: { first: number; events: number; batch: number }; answer: Timed }
  bundles: { args: { requests: number; size: number; of: number }; answer: Timed }
  rids: { args: { requests: number }; answer: Timed }
}

/** By the clock, and of the CPU. Milliseconds. */
interface Timed {
  readonly ms: number
  readonly cpuMs: number
}

interface ReceivedEvent {
  readonly rid: Rid
  readonly manifest: { readonly sha256_hash: string }
  readonly contents: JsonObject
}

const sender = new Sender('floor')
const self = nodeRid('floor', 'floor')
const keys = generateKeyPair()
let db: DatabaseSync | undefined
let opened: string | undefined

function opening({ file, seed }: FloorCommands['open']['args']): null {
  db?.close()
  if (opened !== undefined) for (const suffix of ['', '-wal', '-shm']) rmSync(opened + suffix, { force: true })
  opened = file
  db = new DatabaseSync(file)
  db.exec(`
    PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -16384;
    CREATE TABLE cache (rid TEXT PRIMARY KEY, manifest TEXT NOT NULL, contents TEXT NOT NULL);
    BEGIN
  `)
  const insert = db.prepare('INSERT INTO cache VALUES (?, ?, ?)')
  for (let n = 0; n < seed; n++) {
    const { manifest, contents } = seedBundle(n)
    insert.run(manifest.rid, manifest.text, contents.text)
  }
  db.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA synchronous = FULL')
  return null
}

const file = (): DatabaseSync => {
  if (db === undefined) throw new Error('open first')
  return db
}

/** Both ends of an envelope. Signed and printed by hand: `{payload, source_node, target_node, signature}` in that order. */
function read(body: Buffer): unknown {
  const text = body.toString('utf8')
  const envelope = JSON.parse(text) as { payload: unknown; signature: string }
  const signed = `${text.slice(0, text.lastIndexOf(',"signature":'))}}`
  const key = { key: sender.publicKey, dsaEncoding: 'ieee-p1363' } as const
  if (!verify('sha256', Buffer.from(signed), key, Buffer.from(envelope.signature, 'base64'))) throw new Error('forged')
  return envelope.payload
}

function reply(payload: string): Buffer {
  const fields = `{"payload":${payload},"source_node":"${self}","target_node":"${sender.rid}"`
  const signature = sign('sha256', Buffer.from(`${fields}}`), { key: keys.privateKey, dsaEncoding: 'ieee-p1363' })
  return Buffer.from(`${fields},"signature":"${signature.toString('base64')}"}`)
}

function timed(work: () => void): Timed {
  const start = performance.now()
  const cpu = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(cpu)
  return { ms: performance.now() - start, cpuMs: (user + system) / 1000 }
}

function events(numbers: FloorCommands['events']['args']): Timed {
  const bodies = sender.batches(numbers, self).map((text) => Buffer.from(text))
  const insert = file().prepare('INSERT INTO cache VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
  return timed(() => {
    for (const body of bodies) {
      const payload = read(body) as { events: readonly ReceivedEvent[] }
      file().exec('BEGIN')
      for (const { rid, manifest, contents } of payload.events) {
        if (sha256Contents(contents) !== manifest.sha256_hash) throw new Error('wrong hash')
        insert.run(rid, JSON.stringify(manifest), JSON.stringify(contents))
      }
      file().exec('COMMIT')
    }
  })
}

function bundles({ requests, size, of }: FloorCommands['bundles']['args']): Timed {
  const bodies = Array.from({ length: 64 }, (_, index) => {
    const rids = Array.from({ length: size }, (_unused, offset) => noteRid((index * 7919 + offset * 31) % of))
    return Buffer.from(sender.sign(JSON.stringify({ type: 'fetch_bundles', rids }), self))
  })
  const select = file().prepare('SELECT manifest, contents FROM cache WHERE rid = ?')
  return timed(() => {
    for (let request = 0; request < requests; request++) {
      const { rids } = read(bodies[request % bodies.length]!) as { rids: readonly string[] }
      const found = rids.map((rid) => {
        const { manifest, contents } = select.get(rid) as { manifest: string; contents: string }
        return `{"manifest":${manifest},"contents":${contents}}`
      })
      reply(`{"type":"bundles_payload","bundles":[${found.join(',')}],"not_found":[],"deferred":[]}`)
    }
  })
}

function rids({ requests }: FloorCommands['rids']['args']): Timed {
  const body = Buffer.from(sender.sign('{"type":"fetch_rids","rid_types":["orn:bench.note"]}', self))
  const select = file().prepare('SELECT rid FROM cache ORDER BY rid')
  return timed(() => {
    for (let request = 0; request < requests; request++) {
      read(body)
      const found = select.all() as { rid: string }[]
      reply(`{"type":"rids_payload","rids":${JSON.stringify(found.map(({ rid }) => rid))}}`)
    }
  })
}

const soon =
  <A, T>(work: (args: A) => T) =>
  (args: A): Promise<T> =>
    new Promise((resolve) => resolve(work(args)))

serveCommands({ open: soon(opening), events: soon(events), bundles: soon(bundles), rids: soon(rids) })
