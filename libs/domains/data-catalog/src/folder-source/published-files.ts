import type { KnowledgeReader, StoredBundle } from '@koi-mcp/core'
import type { JsonObject, Rid, RidType } from '@koi-mcp/protocol'
import { DataSchemaRID, datasetRid, DatasetRID, ridPrefix } from '../rid-types.ts'

const PAGE = 200

/** What a dataset published before says of its file. */
export interface PublishedFile {
  readonly path: string
  readonly bytes: number
  readonly modified: string
  readonly schema: string | undefined
}

/** Our own datasets of a source that say which file they are of. */
export async function* publishedFiles(knowledge: KnowledgeReader, source: string): AsyncGenerator<PublishedFile> {
  for await (const { rid, bundle } of ownBundles(knowledge, DatasetRID, source)) {
    const { path, bytes, modified, schema } = bundle.contents.value
    if (typeof path !== 'string' || typeof bytes !== 'number' || typeof modified !== 'string') continue
    if (path === '' || datasetRid(source, path) !== rid) continue
    yield { path, bytes, modified, schema: typeof schema === 'string' ? schema : undefined }
  }
}

/** The contents of our own datasets of a source. */
export async function* ownDatasets(knowledge: KnowledgeReader, source: string): AsyncGenerator<JsonObject> {
  for await (const { bundle } of ownBundles(knowledge, DatasetRID, source)) yield bundle.contents.value
}

/** Our own schemas of a source. */
export async function* ownSchemaRids(knowledge: KnowledgeReader, source: string): AsyncGenerator<Rid> {
  for await (const { rid } of ownBundles(knowledge, DataSchemaRID, source)) yield rid
}

/** The RIDs of all datasets and schemas of a source that the node has, others' included. */
export async function* knownRids(knowledge: KnowledgeReader, source: string): AsyncGenerator<Rid> {
  for (const type of [DatasetRID, DataSchemaRID]) {
    const list = (after: Rid): Promise<readonly Rid[]> => knowledge.listRids({ types: [type.name], after, limit: PAGE })
    for await (const rid of withPrefix(ridPrefix(type, source), list, (listed) => listed)) yield rid
  }
}

async function* ownBundles(knowledge: KnowledgeReader, type: RidType, source: string): AsyncGenerator<StoredBundle> {
  const list = (after: Rid): Promise<readonly StoredBundle[]> =>
    knowledge.listBundles({ types: [type.name], after, limit: PAGE })
  for await (const entity of withPrefix(ridPrefix(type, source), list, ({ rid }) => rid)) {
    if (entity.origin === undefined) yield entity
  }
}

/** Lists are in byte order: all with the prefix stands together, right after the prefix itself. */
async function* withPrefix<T>(
  prefix: string,
  list: (after: Rid) => Promise<readonly T[]>,
  ridOf: (item: T) => Rid,
): AsyncGenerator<T> {
  for (let after = prefix as Rid; ;) {
    const page = await list(after)
    for (const item of page) {
      after = ridOf(item)
      if (!after.startsWith(prefix)) return
      yield item
    }
    if (page.length < PAGE) return
  }
}
