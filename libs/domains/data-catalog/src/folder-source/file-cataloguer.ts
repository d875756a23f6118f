import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Logger, Share } from '@koi-mcp/core'
import type { JsonObject, Rid } from '@koi-mcp/protocol'
import { DataSchemaRID, datasetRid, ridPrefix } from '../rid-types.ts'
import { datasetOfFile } from './dataset-of-file.ts'
import type { FileKnowledge, Place } from './dataset-of-file.ts'
import { formatOf } from './file-format.ts'
import type { FileLedger } from './file-ledger.ts'
import { findFile, isMissing, isSame } from './found-file.ts'
import type { FoundFile } from './found-file.ts'
import type { Publisher } from './publisher.ts'
import { profileTable } from './profile-table.ts'
import type { TableEngine } from './table-engine.ts'
import { TableError } from './table-error.ts'

/** Larger files are known by size and time alone. */
const MAX_HASHED_BYTES = 64 * 1024 * 1024

export interface FileCataloguerOptions {
  readonly place: Place
  readonly publisher: Publisher
  readonly engine: TableEngine
  readonly ledger: FileLedger
  readonly log: Logger
  /** Whether nobody else publishes datasets of this source: whoever sees all of them forgets schemas that none has any more. */
  readonly alone: boolean
}

/** Brings what is published of one file in line with the file. */
export class FileCataloguer {
  readonly #options: FileCataloguerOptions
  readonly #publishedSchemas = new Set<Rid>()

  constructor(options: FileCataloguerOptions) {
    this.#options = options
  }

  /** Never rejects; ends with the share. `changing`: the file changed while it was read; look again once it rests. */
  async catalogue(path: string, share: Share): Promise<'done' | 'changing'> {
    const { place, ledger, log } = this.#options
    try {
      const file = await findFile(place.root, path)
      const before = ledger.outcome(path)
      if (file === undefined) {
        // With the whole folder gone, such as a disk that is not mounted, nothing is known of its files.
        if (!(await isThere(place.root))) return 'done'
        await this.#forget(path, share)
        ledger.remove(path)
      } else if (before === undefined || before.retry === true || !isSame(before, file)) {
        return await this.#read(file, share)
      }
    } catch (error) {
      // The next look through the folder tries again.
      if (!share.signal.aborted)
        log.error(`cannot publish what is known of ${path}: ${messageOf(error)}`, { path, error })
    }
    return 'done'
  }

  async #read(file: FoundFile, share: Share): Promise<'done' | 'changing'> {
    const { place, engine, ledger } = this.#options
    const { path } = file
    const { signal } = share
    const format = formatOf(path)
    if (format === undefined) return 'done'
    ledger.track(path)
    const published = await this.#published(path)
    let knowledge: FileKnowledge
    try {
      const absolute = join(place.root, ...path.split('/'))
      const sha256 = file.bytes > MAX_HASHED_BYTES ? undefined : await hashOf(absolute, signal)
      if (sha256 === undefined || published?.['sha256'] !== sha256) {
        const profile = await profileTable(engine, absolute, format, signal)
        knowledge = datasetOfFile(place, file, { format, profile, sha256 })
      } else if (await this.#hasChanged(file)) {
        return 'changing'
      } else {
        this.#keep(file, published)
        return 'done'
      }
    } catch (error) {
      signal.throwIfAborted()
      if (await this.#hasChanged(file)) return 'changing'
      await this.#failed(file, error, share)
      return 'done'
    }
    if (await this.#hasChanged(file)) return 'changing'
    await this.#publish(file, knowledge, share)
    return 'done'
  }

  /** What this node has published of the file. */
  async #published(path: string): Promise<JsonObject | undefined> {
    const { place, publisher } = this.#options
    const entity = await publisher.knowledge.read(datasetRid(place.source, path))
    return entity?.origin === undefined ? entity?.bundle.contents.value : undefined
  }

  /** The file has another time and the same contents, as where each process has a copy of its own: what is published stays true. */
  #keep({ path, bytes, modified }: FoundFile, published: JsonObject): void {
    const { ledger } = this.#options
    const schema = typeof published['schema'] === 'string' ? published['schema'] : undefined
    if (schema !== undefined) ledger.useSchema(schema)
    ledger.settle(path, { bytes, modified, schema })
  }

  async #publish(file: FoundFile, { dataset, schema, schemaRid }: FileKnowledge, share: Share): Promise<void> {
    const { place, publisher, ledger } = this.#options
    const { path, bytes, modified } = file
    const publish = (rid: Rid, contents: object): Promise<unknown> =>
      share.write((under) => publisher.publish({ rid, contents }, { under }))
    const unused = ledger.outcome(path)?.schema
    // Of one that was in use here before and is not now, others may have thought that nobody uses it.
    const known = ledger.keeps(schemaRid) && this.#publishedSchemas.has(schemaRid)
    ledger.useSchema(schemaRid)
    try {
      if (!known) await publish(schemaRid, schema)
      this.#publishedSchemas.add(schemaRid)
      await publish(datasetRid(place.source, path), dataset)
    } catch (error) {
      ledger.releaseSchema(schemaRid)
      throw error
    }
    ledger.settle(path, { bytes, modified, schema: schemaRid })
    await this.#forgetUnused(unused, share)
  }

  /** What was a table and is none any more is forgotten; what only cannot be read now stands as it is. */
  async #failed({ path, bytes, modified }: FoundFile, error: unknown, share: Share): Promise<void> {
    const { ledger, log } = this.#options
    const noTable = error instanceof TableError && error.code === 'no_table'
    const before = ledger.outcome(path)
    const schema = noTable ? undefined : before?.schema
    if (noTable) await this.#forget(path, share)
    else if (schema !== undefined) ledger.useSchema(schema)
    const failure = error instanceof TableError ? error.message : `cannot be read: ${messageOf(error)}`
    ledger.settle(path, { bytes, modified, failure, schema, retry: !(error instanceof TableError) })
    if (before?.retry !== true || before.failure !== failure) log.warn(`not catalogued: ${path}: ${failure}`, { path })
  }

  async #forget(path: string, share: Share): Promise<void> {
    const { place, publisher, ledger } = this.#options
    const rid = datasetRid(place.source, path)
    const before = ledger.outcome(path)
    const wasPublished = before?.schema !== undefined || (await publisher.knowledge.read(rid)) !== undefined
    if (wasPublished) await share.write((under) => publisher.forget(rid, { under }))
    ledger.disown(path)
    if (before !== undefined) ledger.settle(path, { ...before, schema: undefined })
    await this.#forgetUnused(before?.schema, share)
  }

  async #forgetUnused(schema: string | undefined, share: Share): Promise<void> {
    const { place, publisher, ledger, alone } = this.#options
    if (!alone || schema?.startsWith(ridPrefix(DataSchemaRID, place.source)) !== true) return
    const rid = schema as Rid
    if (ledger.keeps(rid)) return
    this.#publishedSchemas.delete(rid)
    await share.write((under) => publisher.forget(rid, { under }))
  }

  async #hasChanged(file: FoundFile): Promise<boolean> {
    const now = await findFile(this.#options.place.root, file.path).catch((error: unknown) => {
      if (isMissing(error)) return undefined
      throw error
    })
    return now === undefined || !isSame(now, file)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}

/** SHA-256 of a file, in hexadecimal digits. */
async function hashOf(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { signal }), hash)
  return hash.digest('hex')
}
