import { ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server'
import type {
  ListResourcesResult,
  ReadResourceResult,
  Resource,
  ResourceLink,
  ResourceTemplateType,
} from '@modelcontextprotocol/server'
import type { KnowledgeAdapter, KnowledgeReader, Logger, ResourceDescription, StoredBundle } from '@koi-mcp/core'
import { isRid, referenceOf, ridTypeOf } from '@koi-mcp/protocol'
import type { Rid, RidType } from '@koi-mcp/protocol'

import type { RidLookup } from './rid-lookup.ts'

export const RESOURCE_PAGE = 100
/** Key of `_meta` under which a resource carries what its manifest says. */
export const MANIFEST_META_KEY = 'koi-mcp/manifest'

const JSON_TYPE = 'application/json'
const CURSOR_MARK = 'after:'

/** Bundles as MCP resources: the same for every protocol revision, no state but the adapters that describe them. */
export class ResourceCatalog {
  readonly templates: readonly ResourceTemplateType[]
  readonly #knowledge: KnowledgeReader
  readonly #lookup: RidLookup
  readonly #adapterOf = new Map<string, KnowledgeAdapter>()
  readonly #failed = new Set<KnowledgeAdapter>()
  readonly #log: Logger

  constructor(options: {
    readonly knowledge: KnowledgeReader
    readonly lookup: RidLookup
    readonly adapters: readonly KnowledgeAdapter[]
    readonly ridTypes: readonly RidType[]
    readonly log: Logger
  }) {
    this.#knowledge = options.knowledge
    this.#lookup = options.lookup
    this.#log = options.log
    for (const adapter of options.adapters) {
      for (const { name } of adapter.ridTypes) if (!this.#adapterOf.has(name)) this.#adapterOf.set(name, adapter)
    }
    this.templates = options.ridTypes.map(({ name }) => ({
      uriTemplate: `${name}:{+reference}`,
      name,
      title: `Knowledge of type ${name}`,
      description: `A ${name} by its reference. The URI is an RID: give the reference as it is, without percent-encoding.`,
      mimeType: JSON_TYPE,
    }))
  }

  /** One page in byte order of the RIDs. @throws ProtocolError -32602 for a cursor that is none of ours */
  async list(cursor: string | undefined): Promise<ListResourcesResult> {
    const after = cursor === undefined ? undefined : ridOfCursor(cursor)
    // One more than a page holds tells whether another page follows.
    const found = await this.#knowledge.listBundles({ after, limit: RESOURCE_PAGE + 1 })
    const page = found.slice(0, RESOURCE_PAGE)
    const last = page.at(-1)
    return {
      resources: page.map((entity) => this.#resource(entity)),
      ...(found.length > RESOURCE_PAGE && last !== undefined && { nextCursor: cursorAfter(last.rid) }),
    }
  }

  find(uri: string): Promise<StoredBundle | undefined> {
    return this.#lookup.find(uri)
  }

  /** `undefined` when the URI names nothing that is known. */
  async read(uri: string): Promise<ReadResourceResult | undefined> {
    const entity = await this.find(uri)
    if (entity === undefined) return undefined
    const text = entity.bundle.contents.text
    return { contents: [{ uri: entity.rid, mimeType: JSON_TYPE, text, _meta: manifestMeta(entity) }] }
  }

  link(entity: StoredBundle): ResourceLink {
    return { type: 'resource_link', uri: entity.rid, ...this.describe(entity), mimeType: JSON_TYPE }
  }

  /** What the type's adapter says of the bundle; the reference as its name where there is none, or where it fails. */
  describe(entity: StoredBundle): { name: string; title?: string; description?: string } {
    const said = this.#adapterSays(entity)
    return {
      name: said?.name ?? referenceOf(entity.rid),
      ...(said?.title !== undefined && { title: said.title }),
      ...(said?.description !== undefined && { description: said.description }),
    }
  }

  #resource(entity: StoredBundle): Resource {
    return {
      uri: entity.rid,
      ...this.describe(entity),
      mimeType: JSON_TYPE,
      size: Buffer.byteLength(entity.bundle.contents.text),
      annotations: { lastModified: entity.bundle.manifest.timestamp },
      _meta: manifestMeta(entity),
    }
  }

  #adapterSays(entity: StoredBundle): ResourceDescription | undefined {
    const adapter = this.#adapterOf.get(ridTypeOf(entity.rid))
    if (adapter === undefined) return undefined
    try {
      return adapter.describe?.(entity)
    } catch (error) {
      // Each list would say it again for every bundle: loud once, quiet then.
      const fields = { adapter: adapter.name, rid: entity.rid, error }
      if (this.#failed.has(adapter)) this.#log.debug('An adapter failed to describe a bundle', fields)
      else this.#log.error('An adapter failed to describe a bundle; it is listed by its reference', fields)
      this.#failed.add(adapter)
      return undefined
    }
  }
}

export function manifestOf({ bundle, origin }: StoredBundle): { sha256_hash: string; timestamp: string; origin?: Rid } {
  const { sha256_hash, timestamp } = bundle.manifest
  return { sha256_hash, timestamp, ...(origin !== undefined && { origin }) }
}

function manifestMeta(entity: StoredBundle): Record<string, unknown> {
  return { [MANIFEST_META_KEY]: { rid: entity.rid, ...manifestOf(entity) } }
}

function cursorAfter(rid: Rid): string {
  return Buffer.from(CURSOR_MARK + rid).toString('base64url')
}

function ridOfCursor(cursor: string): Rid {
  const text = Buffer.from(cursor, 'base64url').toString()
  const rid = text.slice(CURSOR_MARK.length)
  if (!text.startsWith(CURSOR_MARK) || !isRid(rid) || cursorAfter(rid) !== cursor) throw invalidCursor()
  return rid
}

export function invalidCursor(): ProtocolError {
  return new ProtocolError(
    ProtocolErrorCode.InvalidParams,
    'Invalid cursor: give the nextCursor of the page before as it came, or none for the first page',
  )
}
