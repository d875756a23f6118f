export { bundleText, checkHash, generateBundle, parseBundle } from './bundle.ts'
export type { Bundle } from './bundle.ts'
export { contentsOf, MAX_CONTENTS_DEPTH, parseContents, sha256Contents, storedContents } from './contents.ts'
export type { Contents } from './contents.ts'
export { EDGE_STATUSES, EDGE_TYPES, edgeProfileContents, parseEdgeProfile } from './edge-profile.ts'
export type { EdgeProfile, EdgeStatus, EdgeType } from './edge-profile.ts'
export { authenticateEnvelope, envelopeFingerprint, parseEnvelope, signEnvelope, verifyEnvelope } from './envelope.ts'
export type { EnvelopeParts, SignedClaim, UnverifiedEnvelope } from './envelope.ts'
export {
  errorResponseText,
  isWireErrorCode,
  parseErrorResponse,
  ProtocolError,
  WIRE_ERROR_CODES,
  WireError,
} from './errors.ts'
export type { ProtocolErrorCode, WireErrorCode } from './errors.ts'
export {
  bundleOfEvent,
  EVENT_TYPES,
  eventFromBundle,
  eventFromManifest,
  eventText,
  forgetEvent,
  parseEvent,
} from './event.ts'
export type { EventType, KoiEvent } from './event.ts'
export { stringText } from './json-print.ts'
export { decodeUtf8, MAX_JSON_DEPTH, parseJson } from './json-text.ts'
export type { JsonDefect, JsonLimits, JsonNode, JsonObject, JsonValue } from './json-text.ts'
export { referenceText } from './json-tokens.ts'
export {
  generateKeyPair,
  NodeKeyError,
  privateKeyFromPem,
  privateKeyToPem,
  publicKeyFromDerBase64,
  publicKeyOf,
  publicKeyToDerBase64,
} from './keys.ts'
export type { NodeKeyErrorCode, NodeKeys } from './keys.ts'
export { generateManifest, parseManifest } from './manifest.ts'
export type { Manifest } from './manifest.ts'
export { NODE_TYPES, nodeProfileContents, parseNodeProfile } from './node-profile.ts'
export type { NodeProfile, NodeType } from './node-profile.ts'
export {
  BROADCAST_EVENTS_PATH,
  ENDPOINTS,
  FETCH_BUNDLES_PATH,
  FETCH_MANIFESTS_PATH,
  FETCH_RIDS_PATH,
  isEndpointPath,
  POLL_EVENTS_PATH,
  REFERENCE_BASE_PATH,
  WELL_KNOWN_PATH,
} from './paths.ts'
export type { EndpointPath } from './paths.ts'
export { payloadText } from './payload.ts'
export type {
  BundlesPayload,
  EventsPayload,
  FetchBundles,
  FetchManifests,
  FetchRids,
  ManifestsPayload,
  Payload,
  PayloadType,
  PollEvents,
  RequestPayload,
  ResponsePayload,
  RidsPayload,
} from './payload.ts'
export { parsePayload } from './payload-parser.ts'
export type {
  Item,
  ReceivedBundles,
  ReceivedEvents,
  ReceivedFetchBundles,
  ReceivedFetchManifests,
  ReceivedManifests,
  ReceivedPayloads,
  ReceivedRids,
} from './payload-parser.ts'
export { referenceRidProblem } from './reference-rid.ts'
export { defineRidType, KOI_NET_EDGE, KOI_NET_NODE } from './rid-type.ts'
export type { RidType } from './rid-type.ts'
export {
  asRid,
  edgeRid,
  isKeyOfNode,
  isRid,
  nodeNameOf,
  nodeRid,
  parseRid,
  parseRidTypeName,
  REFERENCE_MAX_RID_BYTES,
  referenceOf,
  RidError,
  ridTypeOf,
  sha256Hex,
} from './rid.ts'
export type { Rid, RidParts } from './rid.ts'
export { canonicalTimestamp, compareTimestamps, formatTimestamp, microsOf, parseTimestamp } from './timestamp.ts'
export { parseWellKnown, wellKnownText } from './well-known.ts'
export type { WellKnown } from './well-known.ts'
