import { sha256Contents } from './contents.ts'
import type { Contents } from './contents.ts'
import { ProtocolError } from './errors.ts'
import { at, membersOf, required, sound, stringOf } from './fields.ts'
import { parseJson } from './json-text.ts'
import type { JsonNode } from './json-text.ts'
import { stringText } from './json-print.ts'
import { asRid } from './rid.ts'
import type { Rid } from './rid.ts'
import { canonicalTimestamp } from './timestamp.ts'

/** Who an object is, when it was so, and what it hashes to (rid-lib 3.3.0, `rid_lib.ext.manifest`). */
export interface Manifest {
  readonly rid: Rid
  /** RFC 3339 with a zone, six digits of fraction or none. */
  readonly timestamp: string
  /** Of the contents' RFC 8785 form: 64 hex digits, lower case. */
  readonly sha256_hash: string
  /** What is signed, stored and served on: the three fields, then the unknown ones as received, null ones dropped. */
  readonly text: string
}

const MANIFEST_CONTEXT = 'orn:koi-net.context:manifest'

/** A manifest for contents of our own. `timestamp` comes from `formatTimestamp`. */
export function generateManifest(rid: Rid, contents: Contents, timestamp: string): Manifest {
  const fields = { rid, timestamp: canonicalTimestamp(timestamp), sha256_hash: sha256Contents(contents.value) }
  return { ...fields, text: manifestText(fields, `,"@context":"${MANIFEST_CONTEXT}"`) }
}

/** @throws ProtocolError */
export function parseManifest(text: string): Manifest {
  return manifestFromNode(parseJson(text), 'manifest')
}

/** A manifest out of a parsed message. @throws ProtocolError */
export function manifestFromNode(node: JsonNode, path: string): Manifest {
  const members = membersOf(sound(node, path), path)
  const fields = {
    rid: asRid(stringOf(required(members, 'rid', path), at(path, 'rid')), at(path, 'rid')),
    timestamp: canonicalTimestamp(
      stringOf(required(members, 'timestamp', path), at(path, 'timestamp')),
      at(path, 'timestamp'),
    ),
    sha256_hash: stringOf(required(members, 'sha256_hash', path), at(path, 'sha256_hash')),
  }
  if (!/^[0-9a-f]{64}$/.test(fields.sha256_hash)) {
    throw new ProtocolError(at(path, 'sha256_hash'), 'must be 64 hex digits in lower case')
  }
  let unknown = ''
  for (const [name, member] of members) {
    if (Object.hasOwn(fields, name) || member.value === null) continue
    unknown += `,${stringText(name)}:${member.text}`
  }
  return { ...fields, text: manifestText(fields, unknown) }
}

function manifestText(fields: Omit<Manifest, 'text'>, more: string): string {
  return `{"rid":${stringText(fields.rid)},"timestamp":"${fields.timestamp}","sha256_hash":"${fields.sha256_hash}"${more}}`
}
