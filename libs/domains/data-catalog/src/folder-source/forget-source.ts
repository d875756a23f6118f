import type { Rid } from '@koi-mcp/protocol'
import { datasetRid } from '../rid-types.ts'
import type { Publisher } from './publisher.ts'
import { ownSchemaRids, publishedFiles } from './published-files.ts'

/**
 * Forgets what a folder source of this name published: for a folder that is catalogued no more, so that its files do not linger
 * as if they were there. What was published otherwise stays.
 *
 * @returns how many datasets and schemas
 */
export async function forgetSource(publisher: Publisher, source: string): Promise<number> {
  const rids: Rid[] = []
  for await (const { path } of publishedFiles(publisher.knowledge, source)) rids.push(datasetRid(source, path))
  for await (const rid of ownSchemaRids(publisher.knowledge, source)) rids.push(rid)
  for (const rid of rids) await publisher.forget(rid)
  return rids.length
}
