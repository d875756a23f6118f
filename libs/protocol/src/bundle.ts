import { contentsFromNode, MAX_CONTENTS_DEPTH, sha256Contents } from './contents.ts'
import type { Contents } from './contents.ts'
import { ProtocolError } from './errors.ts'
import { at, membersOf, required } from './fields.ts'
import { parseJson } from './json-text.ts'
import type { JsonNode } from './json-text.ts'
import { generateManifest, manifestFromNode } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import type { Rid } from './rid.ts'

/** What is known of an RID: its manifest and its contents (rid-lib 3.3.0, `rid_lib.ext.bundle`). */
export interface Bundle {
  readonly manifest: Manifest
  readonly contents: Contents
}

/** A bundle of our own. `timestamp` comes from `formatTimestamp`. */
export function generateBundle(rid: Rid, contents: Contents, timestamp: string): Bundle {
  return { manifest: generateManifest(rid, contents, timestamp), contents }
}

export function bundleText(bundle: Bundle): string {
  return `{"manifest":${bundle.manifest.text},"contents":${bundle.contents.text}}`
}

/** @throws ProtocolError, also when the contents do not hash to what the manifest says */
export function parseBundle(text: string): Bundle {
  return bundleFromNode(parseJson(text, { maxDepth: MAX_CONTENTS_DEPTH + 1 }), '')
}

/** A bundle out of a parsed message. @throws ProtocolError */
export function bundleFromNode(node: JsonNode, path: string): Bundle {
  const members = membersOf(node, path)
  const bundle = {
    manifest: manifestFromNode(required(members, 'manifest', path), at(path, 'manifest')),
    contents: contentsFromNode(required(members, 'contents', path), at(path, 'contents')),
  }
  checkHash(bundle, path)
  return bundle
}

/** The reference checks no hash, so a bundle that passed through it may be anything. @throws ProtocolError */
export function checkHash(bundle: Bundle, path = ''): void {
  const actual = sha256Contents(bundle.contents.value)
  if (actual === bundle.manifest.sha256_hash) return
  throw new ProtocolError(at(path, 'contents'), `hash to ${actual}, the manifest says ${bundle.manifest.sha256_hash}`)
}
