import { storedContents } from '@koi-mcp/protocol'
import type { Bundle, Contents, Manifest, Rid } from '@koi-mcp/protocol'

/** A manifest whose text was checked before it was stored: nothing is checked again. */
export function storedManifest(text: string): Manifest {
  const { rid, timestamp, sha256_hash } = JSON.parse(text) as Omit<Manifest, 'text'>
  return { rid, timestamp, sha256_hash, text }
}

/** The bundle of two stored texts; its contents are parsed when somebody asks for their value. */
export function storedBundle(manifest: string, contents: string): Bundle {
  return { manifest: storedManifest(manifest), contents: storedContents(contents) }
}

/** Columns to members: what is NULL is left out. */
export function storedParts(row: { manifest: string | null; contents: string | null; source: string | null }): {
  manifest?: Manifest
  contents?: Contents
  source?: Rid
} {
  return {
    ...(row.manifest === null ? {} : { manifest: storedManifest(row.manifest) }),
    ...(row.contents === null ? {} : { contents: storedContents(row.contents) }),
    ...(row.source === null ? {} : { source: row.source as Rid }),
  }
}
