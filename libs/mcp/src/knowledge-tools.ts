import { ToolInputError } from '@koi-mcp/core'
import type { KnowledgeReader } from '@koi-mcp/core'
import { ridTypeOf } from '@koi-mcp/protocol'

import { manifestOf } from './resource-catalog.ts'
import type { ResourceCatalog } from './resource-catalog.ts'
import type { ToolSource } from './tool.ts'

const DEFAULT_HITS = 10
const MAX_HITS = 50
const READ_ONLY = { readOnlyHint: true, openWorldHint: false }

const RID = { type: 'string', description: 'The RID: the name of the knowledge and the URI of its resource' }
const RID_TYPE = { type: 'string', description: 'Its RID type, such as orn:data-catalog.dataset' }
const TIMESTAMP = { type: 'string', description: 'When it was last changed by its source (RFC 3339)' }

/** The tools that every gateway has, whatever its domains: find knowledge, and get it. */
export function knowledgeTools(catalog: ResourceCatalog): ToolSource[] {
  return [searchTool(catalog), getTool(catalog)]
}

function searchTool(catalog: ResourceCatalog): ToolSource {
  return {
    name: 'search_knowledge',
    title: 'Search knowledge',
    description:
      'Full-text search over everything this knowledge network knows. All words must match; the last one may be the beginning of a word. Best matches first. Follow up with get_knowledge for the full contents.',
    annotations: READ_ONLY,
    inputSchema: {
      type: 'object',
      properties: {
        query: { type: 'string', minLength: 1, maxLength: 1000, description: 'Words to look for' },
        types: {
          type: 'array',
          items: { type: 'string' },
          maxItems: 100,
          description: 'Only knowledge of these RID types; all types when absent',
        },
        limit: {
          type: 'integer',
          minimum: 1,
          maximum: MAX_HITS,
          default: DEFAULT_HITS,
          description: 'How many results at most',
        },
      },
      required: ['query'],
      additionalProperties: false,
    },
    outputSchema: {
      type: 'object',
      properties: {
        total: { type: 'integer', description: 'How much knowledge matches in all' },
        results: {
          type: 'array',
          items: {
            type: 'object',
            properties: {
              rid: RID,
              type: RID_TYPE,
              name: { type: 'string' },
              title: { type: 'string' },
              description: { type: 'string' },
              timestamp: TIMESTAMP,
              snippet: { type: 'string', description: 'Text around what matched' },
            },
            required: ['rid', 'type', 'name', 'timestamp', 'snippet'],
          },
        },
      },
      required: ['total', 'results'],
    },
    async answer(args, { knowledge }) {
      const query = args['query'] as string
      const limit = (args['limit'] as number | undefined) ?? DEFAULT_HITS
      const types = args['types'] as string[] | undefined
      if (types !== undefined && types.length > 0) await checkTypes(types, knowledge)
      const { total, hits } = await knowledge.search(query, { limit, ...(types !== undefined && { types }) })
      const snippets = new Map(hits.map(({ rid, snippet }) => [rid, snippet]))
      const found = await knowledge.readMany(hits.map(({ rid }) => rid))
      const results = found.map((entity) => ({
        rid: entity.rid,
        type: ridTypeOf(entity.rid),
        ...catalog.describe(entity),
        timestamp: entity.bundle.manifest.timestamp,
        snippet: snippets.get(entity.rid) ?? '',
      }))
      return { structured: { total, results }, links: found.map((entity) => catalog.link(entity)) }
    },
  }
}

function getTool(catalog: ResourceCatalog): ToolSource {
  return {
    name: 'get_knowledge',
    title: 'Get knowledge',
    description:
      'The full contents of one piece of knowledge by its RID, with when it changed, its hash and the node it came from. RIDs come from search_knowledge and from the list of resources; pass them on exactly as they are.',
    annotations: READ_ONLY,
    inputSchema: {
      type: 'object',
      properties: { rid: { ...RID, minLength: 1, maxLength: 10_000 } },
      required: ['rid'],
      additionalProperties: false,
    },
    outputSchema: {
      type: 'object',
      properties: {
        rid: RID,
        type: RID_TYPE,
        timestamp: TIMESTAMP,
        sha256_hash: { type: 'string', description: 'SHA-256 of the canonical JSON (RFC 8785) of the contents' },
        origin: { type: 'string', description: 'The RID of the node it came from; absent for knowledge of this node' },
        contents: { type: 'object', description: 'The knowledge itself, as its type defines it' },
      },
      required: ['rid', 'type', 'timestamp', 'sha256_hash', 'contents'],
    },
    async answer(args) {
      const rid = args['rid'] as string
      const entity = await catalog.find(rid)
      if (entity === undefined) {
        throw new ToolInputError(`Nothing is known by the RID ${shown(rid)}. Find RIDs with search_knowledge.`)
      }
      const about = { rid: entity.rid, type: ridTypeOf(entity.rid), ...manifestOf(entity) }
      const { text, value } = entity.bundle.contents
      return {
        structured: { ...about, contents: value },
        // Numbers beyond a double's precision stand in the text of the contents alone.
        text: `${JSON.stringify(about).slice(0, -1)},"contents":${text}}`,
      }
    },
  }
}

async function checkTypes(types: readonly string[], knowledge: KnowledgeReader): Promise<void> {
  const known = await knowledge.countByType()
  const unknown = types.find((type) => !known.has(type))
  if (unknown === undefined) return
  const all = known.size === 0 ? 'nothing is known yet' : `known types are ${[...known.keys()].join(', ')}`
  throw new ToolInputError(`There is no knowledge of type ${shown(unknown)}: ${all}.`)
}

function shown(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text)
}
