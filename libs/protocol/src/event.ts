import { checkHash } from './bundle.ts'
import type { Bundle } from './bundle.ts'
import { contentsFromNode } from './contents.ts'
import type { Contents } from './contents.ts'
import { ProtocolError } from './errors.ts'
import { at, membersOf, oneOf, optional, required, stringOf } from './fields.ts'
import { stringText } from './json-print.ts'
import { parseJson } from './json-text.ts'
import type { JsonNode } from './json-text.ts'
import { manifestFromNode } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import { asRid } from './rid.ts'
import type { Rid } from './rid.ts'

export const EVENT_TYPES = ['NEW', 'UPDATE', 'FORGET'] as const

export type EventType = (typeof EVENT_TYPES)[number]

/** Something happened to an RID (koi-net 2.1.0, `koi_net.protocol.event`). A FORGET carries the RID alone. */
export interface KoiEvent {
  readonly rid: Rid
  readonly event_type: EventType
  readonly manifest?: Manifest
  /** Only beside a manifest whose hash they match. */
  readonly contents?: Contents
}

export function eventFromBundle(eventType: 'NEW' | 'UPDATE', bundle: Bundle): KoiEvent {
  return { rid: bundle.manifest.rid, event_type: eventType, manifest: bundle.manifest, contents: bundle.contents }
}

export function eventFromManifest(eventType: 'NEW' | 'UPDATE', manifest: Manifest): KoiEvent {
  return { rid: manifest.rid, event_type: eventType, manifest }
}

export function forgetEvent(rid: Rid): KoiEvent {
  return { rid, event_type: 'FORGET' }
}

/** The event's bundle, when it carries a whole one. */
export function bundleOfEvent(event: KoiEvent): Bundle | undefined {
  if (event.manifest === undefined || event.contents === undefined) return undefined
  return { manifest: event.manifest, contents: event.contents }
}

export function eventText(event: KoiEvent): string {
  const head = `{"rid":${stringText(event.rid)},"event_type":"${event.event_type}"`
  if (event.event_type === 'FORGET' || event.manifest === undefined) return `${head}}`
  const contents = event.contents === undefined ? '' : `,"contents":${event.contents.text}`
  return `${head},"manifest":${event.manifest.text}${contents}}`
}

/** @throws ProtocolError */
export function parseEvent(text: string): KoiEvent {
  return eventFromNode(parseJson(text), '')
}

/**
 * An event out of a parsed message. Manifest and contents of a FORGET are dropped, and so are contents without a manifest, which
 * nothing vouches for.
 *
 * @throws ProtocolError, also when manifest and event name different RIDs or the contents do not match their hash
 */
export function eventFromNode(node: JsonNode, path: string): KoiEvent {
  const members = membersOf(node, path)
  const rid = asRid(stringOf(required(members, 'rid', path), at(path, 'rid')), at(path, 'rid'))
  const event_type = oneOf(required(members, 'event_type', path), EVENT_TYPES, at(path, 'event_type'))
  const manifestNode = optional(members, 'manifest')
  if (event_type === 'FORGET' || manifestNode === undefined) return { rid, event_type }
  const manifest = manifestFromNode(manifestNode, at(path, 'manifest'))
  if (manifest.rid !== rid) {
    throw new ProtocolError(
      at(path, 'manifest.rid'),
      `is ${JSON.stringify(manifest.rid)}, but the event is about ${JSON.stringify(rid)}`,
    )
  }
  const contentsNode = optional(members, 'contents')
  if (contentsNode === undefined) return { rid, event_type, manifest }
  const contents = contentsFromNode(contentsNode, at(path, 'contents'))
  checkHash({ manifest, contents }, path)
  return { rid, event_type, manifest, contents }
}
