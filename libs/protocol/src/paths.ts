/** Where a node listens, below its base URL; all by POST (koi-net 2.1.0, `koi_net.protocol.api.paths` and `model_map`). */
export const BROADCAST_EVENTS_PATH = '/events/broadcast'
export const POLL_EVENTS_PATH = '/events/poll'
export const FETCH_RIDS_PATH = '/rids/fetch'
export const FETCH_MANIFESTS_PATH = '/manifests/fetch'
export const FETCH_BUNDLES_PATH = '/bundles/fetch'

/** What each path takes and answers with; a broadcast is answered with a bare `null`. */
export const ENDPOINTS = {
  [BROADCAST_EVENTS_PATH]: { request: 'events_payload', response: null },
  [POLL_EVENTS_PATH]: { request: 'poll_events', response: 'events_payload' },
  [FETCH_RIDS_PATH]: { request: 'fetch_rids', response: 'rids_payload' },
  [FETCH_MANIFESTS_PATH]: { request: 'fetch_manifests', response: 'manifests_payload' },
  [FETCH_BUNDLES_PATH]: { request: 'fetch_bundles', response: 'bundles_payload' },
} as const

export type EndpointPath = keyof typeof ENDPOINTS

export function isEndpointPath(path: string): path is EndpointPath {
  return Object.hasOwn(ENDPOINTS, path)
}

/** The path under which a reference server always listens; its base URL ends in it. */
export const REFERENCE_BASE_PATH = '/koi-net'

/** Where a host tells which node it is, from the root of the host; ours, beside the protocol. */
export const WELL_KNOWN_PATH = '/.well-known/koi-net.json'
