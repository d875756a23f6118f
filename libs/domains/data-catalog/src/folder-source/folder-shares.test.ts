import { unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { LeaseLostError, ProducerNode, SourceShares } from '@koi-mcp/core'
import type { NodeStore } from '@koi-mcp/core'
import { DataCatalogExtension } from '../data-catalog-extension.ts'
import { DatasetRID, DataSchemaRID, datasetRid } from '../rid-types.ts'
import { dataFolder, write } from '../testing/data-folder.ts'
import { FolderSource } from './folder-source.ts'
import type { FolderSourceOptions } from './folder-source.ts'
import type { Publisher } from './publisher.ts'
import { TableEngine } from './table-engine.ts'

const LEASE_MS = 3_000
const FILES = 60

let node: ProducerNode
let folder: string
/** What the node changed in its cache: `NEW a.csv`. */
let changes: string[]

beforeEach(async () => {
  node = new ProducerNode({
    name: 'producer',
    baseUrl: 'http://127.0.0.1:0/koi-net',
    listen: false,
    domains: [new DataCatalogExtension()],
  })
  await node.start()
  onTestFinished(() => node.stop())
  changes = []
  const begin = `${DatasetRID.name}:test/`
  node.onChange(({ rid, eventType }) => {
    if (rid.startsWith(begin)) changes.push(`${eventType} ${rid.slice(begin.length)}`)
  })
  folder = await dataFolder()
  for (let i = 0; i < FILES; i++) await write(folder, `${i}.csv`, `x\n${i}\n`)
})

type Leases = Pick<NodeStore, 'takeLease' | 'releaseLease' | 'setValue' | 'listValues'>

/** The node as one of its processes has it, whose leases go through `leases`. */
const replica = (leases: Leases = node.store): Publisher => ({
  publish: (knowledge, options) => node.publish(knowledge, options),
  forget: (rid, options) => node.forget(rid, options),
  knowledge: node.knowledge,
  divide: (source) => new SourceShares({ store: leases, source, leaseMs: LEASE_MS }),
})

async function begin(publisher: Publisher, options: Partial<FolderSourceOptions> = {}): Promise<FolderSource> {
  const source = new FolderSource({ folder, name: 'test', publisher, stableMs: 30, ...options })
  onTestFinished(() => source.stop())
  await source.start()
  return source
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

/** Until the files are divided among all of these, and each is catalogued. */
async function divided(sources: readonly FolderSource[], files = FILES): Promise<void> {
  await vi.waitFor(
    () => {
      const progress = sources.map((source) => source.progress)
      expect(progress.every(({ total }) => total > 0)).toBe(true)
      expect(sum(progress.map(({ done }) => done))).toBe(files)
    },
    { timeout: 30_000, interval: 50 },
  )
  await Promise.all(sources.map((source) => source.idle()))
  await node.idle()
}

const allNew = (): string[] => Array.from({ length: FILES }, (_, i) => `NEW ${i}.csv`).sort()

/** Notes what is read, and what ever was read twice at once; reading takes until `hold` is over. */
function watchReading(hold: Promise<void> = Promise.resolve()): { readonly read: string[]; readonly twice: string[] } {
  const reading = new Set<string>()
  const watched = { read: [] as string[], twice: [] as string[] }
  const read = TableEngine.prototype.with
  vi.spyOn(TableEngine.prototype, 'with').mockImplementation(async function (this: TableEngine, ...args) {
    const [path] = args
    watched.read.push(path)
    if (reading.has(path)) watched.twice.push(path)
    reading.add(path)
    await hold
    try {
      return await read.apply(this, args)
    } finally {
      reading.delete(path)
    }
  })
  onTestFinished(() => void vi.restoreAllMocks())
  return watched
}

describe('a folder of a node with replicas', () => {
  it('has each file looked after by one of them, from the first to what changes later', async () => {
    const { twice } = watchReading()
    const sources = await Promise.all([begin(replica()), begin(replica()), begin(replica())])
    await divided(sources)
    expect(changes.splice(0).sort()).toEqual(allNew())
    await Promise.all(Array.from({ length: FILES / 2 }, (_, i) => write(folder, `${i}.csv`, `x\n${i}\n${i}\n`)))
    await unlink(join(folder, '59.csv'))
    await Promise.all(sources.map((source) => source.rescan()))
    await divided(sources, FILES - 1)
    const updates = Array.from({ length: FILES / 2 }, (_, i) => `UPDATE ${i}.csv`)
    expect(changes.sort()).toEqual(['FORGET 59.csv', ...updates].sort())
    expect(twice).toEqual([])
  })

  it('gives a newcomer its part of the files, and takes it back when it stops, and nothing is read again', async () => {
    const { read } = watchReading()
    const one = await begin(replica())
    await divided([one])
    expect(changes.splice(0).sort()).toEqual(allNew())
    const two = await begin(replica())
    await divided([one, two])
    await two.stop()
    await divided([one])
    expect(changes).toEqual([])
    expect(read).toHaveLength(FILES)
  })

  it('gives nothing away that is still being read', async () => {
    const hold = Promise.withResolvers<void>()
    const { read, twice } = watchReading(hold.promise)
    const one = await begin(replica())
    await vi.waitFor(() => expect(read.length).toBeGreaterThan(0), 10_000)
    const two = await begin(replica())
    // Long enough for the newcomer to begin on what it would be given.
    await new Promise((resolve) => setTimeout(resolve, LEASE_MS))
    hold.resolve()
    await divided([one, two])
    expect(changes.sort()).toEqual(allNew())
    expect(twice).toEqual([])
  })

  it('goes on without one that sleeps, and refuses what that one writes when it wakes', async () => {
    const asleep = Promise.withResolvers<void>()
    let sleeps = false
    const late: Promise<unknown>[] = []
    const sleeper = replica({
      takeLease: (...lease) => (sleeps ? asleep.promise.then(() => undefined) : node.store.takeLease(...lease)),
      releaseLease: (lease) => node.store.releaseLease(lease),
      setValue: (key, value) => node.store.setValue(key, value),
      listValues: (prefix) => node.store.listValues(prefix),
    })
    const one = await begin({
      ...sleeper,
      publish: async (knowledge, options) => {
        if (!sleeps) return await node.publish(knowledge, options)
        const published = asleep.promise.then(() => node.publish(knowledge, options))
        late.push(published)
        return await published
      },
    })
    const two = await begin(replica())
    await divided([one, two])
    changes = []

    sleeps = true
    const before = one.progress.total
    for (let i = 0; i < FILES; i++) await write(folder, `${i}.csv`, `x\n${i}\nold\n`)
    // What it is about to write is of before what the other one reads.
    await vi.waitFor(() => expect(late.length).toBeGreaterThan(0), { timeout: 10_000, interval: 20 })
    for (let i = 0; i < FILES; i++) await write(folder, `${i}.csv`, `x\n${i}\nnew\nnew\n`)
    await divided([two])
    for (let i = 0; i < FILES; i++) {
      const stored = await node.knowledge.read(datasetRid('test', `${i}.csv`))
      expect(stored?.bundle.contents.value['rows']).toBe(3)
    }
    const count = changes.length
    asleep.resolve()
    const outcomes = await Promise.allSettled(late)
    expect(outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason)).toEqual(
      late.map(() => expect.any(LeaseLostError)),
    )
    sleeps = false
    await divided([one, two])
    expect(one.progress.total).toBeGreaterThan(before / 2)
    await node.idle()
    expect(changes).toHaveLength(count)
  })

  it('keeps the schema that datasets of several of them have, and forgets it with the last', async () => {
    const schemas = async (): Promise<number> => (await node.knowledge.listRids({ types: [DataSchemaRID.name] })).length
    const sources = await Promise.all([begin(replica(), { rescanMs: 200 }), begin(replica(), { rescanMs: 200 })])
    await divided(sources)
    for (let i = 1; i < FILES; i++) await unlink(join(folder, `${i}.csv`))
    await write(folder, 'other.csv', 'y\n1\n')
    await vi.waitFor(async () => expect(await schemas()).toBe(2), { timeout: 10_000, interval: 50 })
    await unlink(join(folder, '0.csv'))
    await vi.waitFor(async () => expect(await schemas()).toBe(1), { timeout: 10_000, interval: 50 })
    const [rid] = await node.knowledge.listRids({ types: [DatasetRID.name] })
    const { schema } = (await node.knowledge.read(rid!))!.bundle.contents.value
    expect(await node.knowledge.listRids({ types: [DataSchemaRID.name] })).toEqual([schema])
  })
})
