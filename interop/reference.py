"""The Python reference as a service for tests: one JSON request a line on standard input, one JSON answer a line on standard
output. Everything is done by the reference's own classes, and envelopes are read both as its client does (JSON text by the
model) and as its server does (FastAPI parses the JSON first, the model reads what comes out)."""

import json
import logging
import sys
from base64 import b64decode

import structlog
from cryptography.exceptions import InvalidSignature
from koi_net.protocol import (
    EdgeProfile,
    Event,
    NodeProfile,
    PrivateKey,
    PublicKey,
    UnsignedEnvelope,
    generate_edge_bundle,
)
from koi_net.protocol.api import models
from koi_net.protocol.model_map import API_MODEL_MAP
from pydantic import TypeAdapter
from rid_lib import RID
from rid_lib.core import RIDType
from rid_lib.ext import Bundle, Manifest
from rid_lib.ext.utils import sha256_hash_json

# Standard output is for answers.
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

KEY = PrivateKey.generate()
NODE = KEY.public_key().to_node_rid("python")
PAYLOADS = {
    model.model_fields["type"].default: model
    for model in (
        models.EventsPayload, models.PollEvents, models.FetchRids, models.FetchManifests, models.FetchBundles,
        models.RidsPayload, models.ManifestsPayload, models.BundlesPayload,
    )
}
ENVELOPES = {}
CONTENTS = TypeAdapter(dict)
for entry in API_MODEL_MAP.values():
    ENVELOPES[entry.request.model_fields["type"].default] = entry.request_envelope
    if entry.response:
        ENVELOPES[entry.response.model_fields["type"].default] = entry.response_envelope


def text_of(model):
    return model.model_dump_json(exclude_none=True)


def envelope_of(payload, target):
    return text_of(UnsignedEnvelope(payload=payload, source_node=NODE, target_node=target).sign_with(KEY))


def sign_events(events, target):
    """Contents, as JSON text, each bundled now for its RID, sent as events of one envelope."""
    bundles = [Bundle.generate(RID.from_string(event["rid"]), json.loads(event["contents"])) for event in events]
    payload = models.EventsPayload(
        events=[Event.from_bundle(event["event_type"], bundle) for event, bundle in zip(events, bundles)]
    )
    return {
        "envelope": envelope_of(payload, RID.from_string(target)),
        "bundles": [
            {
                "manifest": text_of(bundle.manifest),
                "hash": bundle.manifest.sha256_hash,
                "contents": CONTENTS.dump_json(bundle.contents).decode(),
            }
            for bundle in bundles
        ],
    }


def sign_payload(type, payload, target):
    """A payload, as JSON text of any form, read by its model and sent."""
    model = PAYLOADS[type].model_validate_json(payload)
    return {"envelope": envelope_of(model, RID.from_string(target)), "payload": text_of(model)}


def verify(envelope, key, type):
    """How the client's and the server's reading of an envelope judge it: accepted, refused, or malformed."""
    model = ENVELOPES[type]
    answer = {}
    for side, read in (
        ("client", model.model_validate_json),
        ("server", lambda text: model.model_validate(json.loads(text))),
    ):
        try:
            parsed = read(envelope)
        except (ValueError, RecursionError):
            answer[side] = "malformed"
            continue
        try:
            parsed.verify_with(PublicKey.from_der(key))
            answer[side] = "accepted"
        except (InvalidSignature, ValueError):
            answer[side] = "refused"
        if side == "client":
            answer["payload"] = text_of(parsed.payload)
            items = getattr(parsed.payload, "events", []) + getattr(parsed.payload, "bundles", [])
            answer["hashes"] = [hash_of(item.contents) for item in items if item.contents is not None]
    return answer


def hash_of(contents):
    try:
        return sha256_hash_json(contents)
    except (OverflowError, ValueError):
        return None


def read_rid(text):
    rid = RID.from_string(text)
    return {"rid": str(rid), "type": str(type(rid)), "reference": rid.reference}


def node(name):
    public_key = KEY.public_key()
    return {"rid": str(public_key.to_node_rid(name)), "public_key": public_key.to_der()}


def profile(model, text):
    """A profile, as JSON text, as the contents that the reference makes of it."""
    kind = {"node": NodeProfile, "edge": EdgeProfile}[model]
    return {"contents": CONTENTS.dump_json(kind.model_validate_json(text).model_dump(mode="json")).decode()}


def edge(source, target, rid_types, edge_type):
    bundle = generate_edge_bundle(
        RID.from_string(source), RID.from_string(target), [RIDType.from_string(name) for name in rid_types], edge_type
    )
    return {"rid": str(bundle.rid), "bundle": text_of(bundle)}


def manifest(text):
    return {"text": text_of(Manifest.model_validate_json(text))}


def make_pem(password):
    key = PrivateKey.generate()
    return {"pem": key.to_pem(password), "public_key": key.public_key().to_der()}


def open_pem(pem, password, message):
    key = PrivateKey.from_pem(pem, password)
    return {"public_key": key.public_key().to_der(), "signature": key.sign(message.encode())}


def verify_message(key, signature, message):
    b64decode(signature, validate=True)
    PublicKey.from_der(key).verify(signature, message.encode())
    return {}


OPERATIONS = {
    operation.__name__: operation
    for operation in (
        sign_events, sign_payload, verify, read_rid, node, profile, edge, manifest, make_pem, open_pem, verify_message,
    )
}


def answer_to(request):
    try:
        return {"ok": OPERATIONS[request["op"]](**request["args"])}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:2000]}


if __name__ == "__main__":
    for line in sys.stdin.buffer:
        # Escaped, so that a line is a line whatever it says.
        print(json.dumps([answer_to(request) for request in json.loads(line)]), flush=True)
