/** What the protocol asks of a node, as a table. Tests cite a row by its id in their title, as in `[ENV-3]`. */

export interface Requirement {
  readonly id: string
  readonly text: string
  /** Where it comes from: a module of koi-net 2.1.0 or rid-lib 3.3.0, or a standard's section. */
  readonly source: string
}

export const REQUIREMENTS: readonly Requirement[] = [
  {
    id: 'RID-1',
    text: 'An RID is scheme:reference, or orn:namespace:reference or urn:namespace:reference; case counts; no part is empty.',
    source: 'rid_lib.utils.parse_rid_string',
  },
  {
    id: 'RID-2',
    text: 'The reference keeps every later colon, and an RID is printed byte for byte as it came.',
    source: 'rid_lib.core.RID',
  },
  { id: 'RID-3', text: 'An RID type is the RID without its reference.', source: 'rid_lib.core.RIDType' },
  { id: 'RID-4', text: 'NUL and half surrogate pairs are refused.', source: 'rid_lib.core.RIDType._new_default_type' },
  {
    id: 'RID-5',
    text: 'A node RID has exactly one "+", before the SHA-256 of the base64 text of its key.',
    source: 'koi_net.protocol.secure.PublicKey.to_node_rid',
  },
  {
    id: 'RID-6',
    text: 'An edge RID is the SHA-256 of its source RID followed by its target RID.',
    source: 'koi_net.protocol.edge.generate_edge_bundle',
  },
  {
    id: 'MAN-1',
    text: 'The hash is SHA-256 of the RFC 8785 form of the contents, integers hashed as doubles.',
    source: 'rid_lib.ext.utils.sha256_hash_json',
  },
  {
    id: 'MAN-2',
    text: 'Unknown manifest fields are kept in order, after the known ones; null ones are dropped.',
    source: 'rid_lib.ext.manifest.Manifest',
  },
  {
    id: 'MAN-3',
    text: 'Timestamps are printed in their zone (Z for UTC) with six digits of fraction, or none when it is zero.',
    source: 'pydantic datetime',
  },
  {
    id: 'MAN-4',
    text: 'A timestamp has a zone.',
    source: 'koi_net.components.knowledge_handlers.basic_manifest_handler',
  },
  {
    id: 'BUN-1',
    text: 'Contents are always an object, and hash to what the manifest says.',
    source: 'rid_lib.ext.bundle.Bundle',
  },
  {
    id: 'BUN-2',
    text: 'Contents keep their text: numbers, key order and null survive being received and sent again.',
    source: 'koi_net.protocol.envelope',
  },
  {
    id: 'EVT-1',
    text: 'An event is NEW, UPDATE or FORGET; a FORGET carries the RID alone.',
    source: 'koi_net.protocol.event.Event',
  },
  {
    id: 'EVT-2',
    text: 'An event and its manifest are about the same RID.',
    source: 'koi_net.protocol.event.Event.from_bundle',
  },
  { id: 'EVT-3', text: 'One bad event never costs its batch.', source: 'koi_net.components.event_worker' },
  {
    id: 'NODE-1',
    text: 'A node profile prints @context, base_url (null for a partial node), node_type, provides, public_key.',
    source: 'koi_net.protocol.node.NodeProfile',
  },
  {
    id: 'NODE-2',
    text: 'A full node has a base_url; a profile without @context is taken.',
    source: 'koi_net.components.request_handler.get_base_url',
  },
  {
    id: 'EDGE-1',
    text: 'An edge profile prints @context, source, target, edge_type, status, rid_types.',
    source: 'koi_net.protocol.edge.EdgeProfile',
  },
  {
    id: 'MSG-1',
    text: 'Payloads print type first and every default; the five paths take and answer with their own types.',
    source: 'koi_net.protocol.api.models, model_map',
  },
  {
    id: 'MSG-2',
    text: 'Absent defaults are filled in, and unknown fields are ignored.',
    source: 'koi_net.protocol.api.models',
  },
  {
    id: 'ENV-1',
    text: 'The signature is ECDSA P-256 over SHA-256, raw r||s, in base64.',
    source: 'koi_net.protocol.secure.PrivateKey.sign',
  },
  {
    id: 'ENV-2',
    text: 'It covers {"payload","source_node","target_node"} as UTF-8 text, compact, non-ASCII unescaped.',
    source: 'koi_net.protocol.envelope',
  },
  {
    id: 'ENV-3',
    text: 'What is signed survives being read and printed again by the reference.',
    source: 'koi_net.protocol.envelope.SignedEnvelope.verify_with',
  },
  {
    id: 'ENV-4',
    text: 'A change of anything signed is refused.',
    source: 'koi_net.protocol.envelope.SignedEnvelope.verify_with',
  },
  {
    id: 'ENV-5',
    text: 'Refusals are checked in order: unknown_node, invalid_key, invalid_signature, invalid_target.',
    source: 'koi_net.components.secure_manager.validate_envelope',
  },
  {
    id: 'ENV-6',
    text: 'Text that is not UTF-8 or not JSON, duplicate names and half surrogate pairs are malformed.',
    source: 'RFC 8259 sections 4, 8.1 and 8.2',
  },
  { id: 'ENV-7', text: 'JSON is read up to 200 levels deep.', source: 'pydantic_core JSON parser' },
  { id: 'ENV-8', text: 'A replay is known by its signed text and r||min(s, n−s).', source: 'FIPS 186-5 section 6.4' },
  {
    id: 'ERR-1',
    text: 'A refusal is a bare {"type":"error_response","error":…}.',
    source: 'koi_net.protocol.api.models.ErrorResponse',
  },
  {
    id: 'KEY-1',
    text: 'A private key is kept as encrypted PKCS#8 PEM that either implementation opens.',
    source: 'koi_net.protocol.secure.PrivateKey.to_pem',
  },
  {
    id: 'KEY-2',
    text: 'Keys are on P-256, and travel as base64 of the SubjectPublicKeyInfo.',
    source: 'koi_net.protocol.secure.PublicKey.to_der',
  },
  {
    id: 'API-1',
    text: 'Five POST paths under the base URL; a reply is a signed envelope, that of a broadcast a bare null.',
    source: 'koi_net.components.server, response_handler',
  },
  {
    id: 'API-2',
    text: 'A stranger is believed when its envelope holds its own whole profile as NEW, and is unknown_node else.',
    source: 'koi_net.components.secure_manager.handle_unknown_node',
  },
  {
    id: 'API-3',
    text: 'A poll takes what waits for the caller, at most limit events, 0 being all; another poll gets the rest.',
    source: 'koi_net.components.response_handler.poll_events_handler',
  },
  {
    id: 'API-4',
    text: 'Fetches answer by RID before type, all where nothing is named, and say what is not found.',
    source: 'koi_net.components.response_handler',
  },
  {
    id: 'HS-1',
    text: 'A newcomer broadcasts FORGET of itself and NEW with its profile, in that order, in one envelope.',
    source: 'koi_net.components.handshaker',
  },
  {
    id: 'HS-2',
    text: 'A coordinator answers with its own profile and the edge it proposes, in one envelope.',
    source: 'koi_net_coordinator_node.handshake_handler',
  },
  {
    id: 'NEG-1',
    text: 'The provider approves an edge whose types it provides, nodes and edges always, by an UPDATE; else it sends a FORGET.',
    source: 'koi_net.components.knowledge_handlers.edge_negotiation_handler',
  },
  {
    id: 'NEG-2',
    text: 'A node proposes an edge to itself from each full node that provides what it wants, and leaves one of the same types alone.',
    source: 'koi_net.components.knowledge_handlers.node_contact_handler',
  },
  {
    id: 'NEG-3',
    text: 'Forgetting a node forgets its edges.',
    source: 'koi_net.components.knowledge_handlers.forget_node_handler',
  },
  {
    id: 'PIPE-1',
    text: 'Handlers run by phase in the order of registration, filtered by RID type and event type; STOP_CHAIN ends the pipeline.',
    source: 'koi_net.components.pipeline.call_handler_chain',
  },
  {
    id: 'PIPE-2',
    text: 'A FORGET carries the bundle about to go; an UPDATE the bundle before.',
    source: 'koi_net.components.pipeline.process',
  },
  {
    id: 'PIPE-3',
    text: 'The same hash, or a timestamp not newer than the cached one, is ignored.',
    source: 'koi_net.components.knowledge_handlers.basic_manifest_handler',
  },
  {
    id: 'PIPE-4',
    text: 'Nobody else speaks about this node itself.',
    source: 'koi_net.components.knowledge_handlers.basic_rid_handler',
  },
  {
    id: 'OUT-1',
    text: 'Full nodes are told by webhook, in order; partial ones by their polls.',
    source: 'koi_net.components.event_worker',
  },
  {
    id: 'OUT-2',
    text: 'An event goes to the subscribers of its type, an edge to its other end, and never back to its source.',
    source: 'koi_net.components.knowledge_handlers.basic_network_output_filter',
  },
]
