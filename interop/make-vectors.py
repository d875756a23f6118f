"""Makes interop/vectors/ from the Python reference (requirements.txt): what it prints, signs, takes and refuses, for tests on a
machine without it. Run it with the Python that has the reference, then `npx prettier --write interop/vectors`; every run makes
new keys, and the private one in keys.json is for tests alone."""

import json
import random
import struct
import sys
from pathlib import Path

sys.dont_write_bytecode = True

from reference import NODE, edge, make_pem, manifest, node, profile, read_rid, sign_events, sign_payload

OUT = Path(__file__).parent / "vectors"
TARGET = "orn:koi-net.node:target+" + "0" * 64
RID = "orn:interop.vector:1"

CONTENTS = [
    "{}", '{"a":1}', '{"a":1.0}', '{"a":-0}', '{"a":-0.0}', '{"a":1e16}', '{"a":1E5}', '{"a":0.000001}', '{"a":1.5e-6}',
    '{"a":1e-7}', '{"a":0.00001}', '{"a":1e21}', '{"a":5e-324}', '{"a":1.7976931348623157e308}', '{"a":12345678901234567890}',
    '{"a":-98765432109876543210987654321}', '{"a":9007199254740993}', '{"a":0.1}', '{"a":100000.0}', '{"a":123456789012345680.0}',
    '{"a":null,"b":[null,{"c":null}]}', '{"a":true,"b":false}', '{"10":1,"9":2,"1":3,"a":4,"0":5}', '{"__proto__":{"x":1},"y":2}',
    '{"constructor":1,"toString":2,"toJSON":3,"hasOwnProperty":4}', '{"":{"":[]}}', '{"a":"\\u0000\\u0001\\u001f\\b\\f\\n\\r\\t"}',
    '{"a":"\\"\\\\\\/"}', '{"a":"\\u007f\\u0080\\u2028\\u2029\\ufeff\\uffff"}', '{"a":"\\ud83d\\ude00","\\ud83d\\ude00":"\\u00e9"}',
    '{"\\ue000":1,"\\ud83d\\ude00":2,"z":3}', '{"b":1,"a":2,"\\u00e9":3,"e\\u0301":4}', '{ "a" : [ 1 , 2 ] , "b" : { } }',
    '{"a":' * 196 + "1" + "}" * 196,
]

RIDS = [
    "orn:a:b", "urn:a:b", "a:b", "https://example.org/a?b=c#d", "orn:a:b:c:d", "ORN:x", "Urn:x:y", " :x", "x:\n", "a: ", "x:..",
    "orn:koi-net.node:name+hash", "orn:koi-net.node:+", "orn:koi-net.edge:x", "orn:koi-net.node.x:no plus", "x:Ключ/鍵 😀", "x:%2F%20",
    "orn:a b:c", "x::", "orn:a::", "",  ":", "a", "a:", ":a", "orn:", "orn:a", "orn:a:", "orn::b", "urn:", "urn:a", "orn",
    "orn:koi-net.node:a", "orn:koi-net.node:a+b+c", "orn\0:a:b", "orn:a\0:b",
]

TIMESTAMPS = [
    "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.000000Z",
    "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00-00:00", "2026-01-01T00:00:00+02:00", "2026-01-01T00:00:00.25-09:30",
    "2026-01-01 00:00:00z", "2026-01-01t00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2024-02-29T12:00:00Z",
    "2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "0000-01-01T00:00:00Z", "2026-13-01T00:00:00Z",
    "2026-01-01T00:60:00Z", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00.Z", "yesterday", "",
]

MANIFEST = '"rid":"a:b","timestamp":"2026-01-01T00:00:00Z","sha256_hash":"' + "0" * 64 + '"'
MANIFESTS = [
    "{" + MANIFEST + "}",
    "{" + MANIFEST + ',"@context":"orn:koi-net.context:manifest"}',
    '{"z":1.0,"sha256_hash":"' + "f" * 64 + '","2":[1e5],"timestamp":"2026-01-01T00:00:00.5Z","rid":"a:b","1":{"n":null},"y":null}',
    "{" + MANIFEST + ',"__proto__":{"a":1},"constructor":"x","":0}',
]

PROFILES = [
    '{"node_type":"FULL","base_url":"http://127.0.0.1:8000/koi-net","public_key":"k"}',
    '{"node_type":"PARTIAL","provides":{"event":["orn:a","https"],"state":[]},"public_key":"k"}',
    '{"public_key":"k","provides":{"state":["orn:a"]},"node_type":"FULL","base_url":"https://example.org"}',
]

PAYLOADS = [
    {"type": "events_payload", "events": []},
    {"type": "events_payload", "events": [{"rid": "a:b", "event_type": "FORGET"}, {"rid": "https://x.org/a", "event_type": "NEW"}]},
    {"type": "poll_events"}, {"type": "poll_events", "limit": 50},
    {"type": "fetch_rids"}, {"type": "fetch_rids", "rid_types": ["orn:koi-net.node", "https"]},
    {"type": "fetch_manifests"}, {"type": "fetch_manifests", "rids": ["a:b"]},
    {"type": "fetch_bundles", "rids": ["a:b", "orn:a:é😀"]}, {"type": "fetch_bundles", "rids": []},
    {"type": "rids_payload", "rids": ["a:b", "x:\u0001\u2028\"\\"]},
    {"type": "manifests_payload", "manifests": [json.loads(MANIFESTS[1])]},
    {"type": "manifests_payload", "manifests": [json.loads(MANIFESTS[3])], "not_found": ["a:c"]},
    {"type": "bundles_payload", "bundles": []},
    {"type": "bundles_payload", "bundles": [], "not_found": ["a:b"], "deferred": ["a:c"]},
]


def sign_contents(contents):
    answer = sign_events([{"rid": RID, "event_type": "NEW", "contents": contents}], TARGET)
    return {"envelope": answer["envelope"], **answer["bundles"][0]}


def attempt(operation, text):
    try:
        return {"text": text, **operation(text)}
    except ValueError:
        return {"text": text, "refused": True}


def random_value(rng, depth):
    kind = rng.randrange(9 if depth < 5 else 6)
    if kind == 0:
        return rng.choice([True, False, None])
    if kind == 1:
        return rng.choice([rng.randrange(-1000, 1000), rng.randrange(-10**30, 10**30)])
    if kind in (2, 3):
        number = struct.unpack(">d", rng.randbytes(8))[0]
        return number if number - number == 0 else 0.5
    if kind in (4, 5):
        return random_text(rng)
    if kind == 6:
        return [random_value(rng, depth + 1) for _ in range(rng.randrange(5))]
    return {random_text(rng): random_value(rng, depth + 1) for _ in range(rng.randrange(5))}


def random_text(rng):
    points = [rng.choice([rng.randrange(0x80), rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)]) for _ in range(rng.randrange(8))]
    return "".join(map(chr, points))


def random_contents(rng):
    return json.dumps({str(key): random_value(rng, 0) for key in (rng.randrange(20), "__proto__", random_text(rng), "", 3)})


def float_texts(rng):
    numbers = [struct.unpack(">d", rng.randbytes(8))[0] for _ in range(300)]
    numbers += [rng.random() * 10 ** rng.randrange(-20, 25) for _ in range(300)] + [10.0**power for power in range(-12, 26)]
    numbers = [number for number in numbers if number - number == 0]
    printed = []
    for number in numbers:
        signed = sign_contents(json.dumps({"n": number}))["contents"]
        printed.append([repr(number), signed[len('{"n":'):-1]])
    return printed


def write(name, value):
    (OUT / f"{name}.json").write_text(json.dumps(value, ensure_ascii=True, indent=1) + "\n")


def main():
    rng = random.Random(2026)
    OUT.mkdir(exist_ok=True)
    contents = CONTENTS + [random_contents(rng) for _ in range(60)]
    write("envelopes", {
        "source": node("python"),
        "target": TARGET,
        "events": [{"sent": text, **sign_contents(text)} for text in contents],
        "payloads": [{"type": payload["type"], **sign_payload(payload["type"], json.dumps(payload), TARGET)} for payload in PAYLOADS],
    })
    write("rids", [attempt(read_rid, text) for text in RIDS])
    write("timestamps", [
        attempt(lambda text: {"printed": json.loads(manifest(json.dumps({"rid": "a:b", "timestamp": text, "sha256_hash": ""}))["text"])["timestamp"]}, text)
        for text in TIMESTAMPS
    ])
    write("manifests", [{"received": text, "printed": manifest(text)["text"]} for text in MANIFESTS])
    write("profiles", [{"received": text, "printed": profile("node", text)["contents"]} for text in PROFILES])
    write("edge", {"source": str(NODE), "target": TARGET, **edge(str(NODE), TARGET, ["orn:koi-net.node", "https"], "WEBHOOK")})
    write("floats", float_texts(rng))
    write("keys", {"password": "pässword 鍵", **make_pem("pässword 鍵")})


if __name__ == "__main__":
    main()
