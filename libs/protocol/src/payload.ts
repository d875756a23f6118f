/**
 * The five requests and their replies (koi-net 2.1.0, `koi_net.protocol.api.models`). Printed with `type` first, every default
 * written out and nothing null, which is what the reference prints again and so what a signature must cover.
 */
import { bundleText } from './bundle.ts'
import type { Bundle } from './bundle.ts'
import { ProtocolError } from './errors.ts'
import { eventText } from './event.ts'
import type { KoiEvent } from './event.ts'
import { stringText } from './json-print.ts'
import type { Manifest } from './manifest.ts'
import type { Rid } from './rid.ts'

export interface EventsPayload {
  readonly type: 'events_payload'
  readonly events: readonly KoiEvent[]
}
export interface PollEvents {
  readonly type: 'poll_events'
  /** Most events to answer with; 0 for all. */
  readonly limit: number
}
export interface FetchRids {
  readonly type: 'fetch_rids'
  /** By name; empty for all. */
  readonly rid_types: readonly string[]
}
export interface FetchManifests {
  readonly type: 'fetch_manifests'
  readonly rid_types: readonly string[]
  /** Wins over `rid_types`; both empty for all. */
  readonly rids: readonly Rid[]
}
export interface FetchBundles {
  readonly type: 'fetch_bundles'
  readonly rids: readonly Rid[]
}
export interface RidsPayload {
  readonly type: 'rids_payload'
  readonly rids: readonly Rid[]
}
export interface ManifestsPayload {
  readonly type: 'manifests_payload'
  readonly manifests: readonly Manifest[]
  readonly not_found: readonly Rid[]
}
export interface BundlesPayload {
  readonly type: 'bundles_payload'
  readonly bundles: readonly Bundle[]
  readonly not_found: readonly Rid[]
  readonly deferred: readonly Rid[]
}

export type RequestPayload = EventsPayload | PollEvents | FetchRids | FetchManifests | FetchBundles
export type ResponsePayload = EventsPayload | RidsPayload | ManifestsPayload | BundlesPayload
export type Payload = RequestPayload | ResponsePayload
export type PayloadType = Payload['type']

/** The text to sign. */
export function payloadText(payload: Payload): string {
  switch (payload.type) {
    case 'events_payload':
      return `{"type":"events_payload","events":[${payload.events.map(eventText).join(',')}]}`
    case 'poll_events':
      if (!Number.isSafeInteger(payload.limit))
        throw new ProtocolError('limit', `must be a whole number, is ${payload.limit}`)
      return `{"type":"poll_events","limit":${payload.limit}}`
    case 'fetch_rids':
      return `{"type":"fetch_rids","rid_types":${strings(payload.rid_types)}}`
    case 'fetch_manifests':
      return `{"type":"fetch_manifests","rid_types":${strings(payload.rid_types)},"rids":${strings(payload.rids)}}`
    case 'fetch_bundles':
      return `{"type":"fetch_bundles","rids":${strings(payload.rids)}}`
    case 'rids_payload':
      return `{"type":"rids_payload","rids":${strings(payload.rids)}}`
    case 'manifests_payload': {
      const manifests = payload.manifests.map((manifest) => manifest.text).join(',')
      return `{"type":"manifests_payload","manifests":[${manifests}],"not_found":${strings(payload.not_found)}}`
    }
    case 'bundles_payload': {
      const bundles = payload.bundles.map(bundleText).join(',')
      const rest = `"not_found":${strings(payload.not_found)},"deferred":${strings(payload.deferred)}`
      return `{"type":"bundles_payload","bundles":[${bundles}],${rest}}`
    }
  }
}

function strings(list: readonly string[]): string {
  return `[${list.map((text) => stringText(text)).join(',')}]`
}
