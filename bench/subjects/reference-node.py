"""A real koi-net node under load, told what to do by JSON lines on standard input; each is answered by one line on standard output.

Usage: reference-node.py FOLDER KIND NAME PORT SEED [FIRST_CONTACT_URL FIRST_CONTACT_RID]   (KIND: full or coordinator)

SEED: a file of JSON lines [rid, manifest timestamp, sha256 hash, contents] that the cache is filled with before the start, or "-".
Everything else is as the package has it.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

folder, kind, name, port, seed = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]
contact = sys.argv[6:8]
os.environ["PRIV_KEY_PASSWORD"] = "bench"
os.chdir(folder)
# The node logs to standard output; the answers go where that was.
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(os.open(folder / "stdout.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)

from koi_net.components.interfaces import HandlerType, KnowledgeHandler
from koi_net.config import (
    FullNodeConfig,
    FullNodeProfile,
    KoiNetConfig,
    NodeContact,
    NodeProvides,
    ServerConfig,
)
from koi_net.core import FullNode
from koi_net_coordinator_node.config import CoordinatorConfig
from koi_net_coordinator_node.core import CoordinatorNode
from rid_lib import RID
from rid_lib.core import ORN
from rid_lib.ext import Bundle, Cache, Manifest
from rid_lib.types import KoiNetNode


class Note(ORN):
    namespace = "bench.note"

    def __init__(self, reference: str):
        self._reference = reference

    @property
    def reference(self):
        return self._reference

    @classmethod
    def from_reference(cls, reference):
        return cls(reference)


if seed != "-":
    cache = Cache(str(folder / ".rid_cache"))
    with open(seed, encoding="utf-8") as lines:
        for line in lines:
            rid, timestamp, sha256_hash, contents = json.loads(line)
            manifest = Manifest(rid=RID.from_string(rid), timestamp=timestamp, sha256_hash=sha256_hash)
            cache.write(Bundle(manifest=manifest, contents=contents))

handled = {}


@dataclass
class Witness(KnowledgeHandler):
    handler_type = HandlerType.Final

    def handle(self, kobj):
        if isinstance(kobj.rid, Note):
            handled[kobj.manifest.sha256_hash] = time.time() * 1000


first_contact = NodeContact(url=contact[0], rid=contact[1]) if contact else NodeContact()


class Full(FullNodeConfig):
    server: ServerConfig = ServerConfig(port=port)
    koi_net: KoiNetConfig = KoiNetConfig(
        node_name=name,
        node_profile=FullNodeProfile(provides=NodeProvides(event=[Note], state=[Note])),
        rid_types_of_interest=[KoiNetNode, Note],
        first_contact=first_contact,
    )


class Coordinator(CoordinatorConfig):
    server: ServerConfig = ServerConfig(port=port)


class FullSubject(FullNode):
    config_schema = Full
    witness = Witness


class CoordinatorSubject(CoordinatorNode):
    config_schema = Coordinator


def obey(node, order):
    match order["do"]:
        case "publish":
            bundle = Bundle.generate(RID.from_string(order["rid"]), order["contents"])
            at = time.time() * 1000
            node.kobj_queue.push(bundle=bundle)
            return {"hash": bundle.manifest.sha256_hash, "at": at}
        case "handled":
            return handled.get(order["hash"])
        case "subscribers":
            return [str(rid) for rid in node.graph.get_neighbors(direction="out", allowed_type=Note)]
    raise ValueError(order["do"])


def answer(value):
    answers.write(json.dumps(value) + "\n")
    answers.flush()


answer({"seeded": True})
sys.stdin.readline()
node = {"full": FullSubject, "coordinator": CoordinatorSubject}[kind](root_dir=folder)
node.start()
if str(node.get_state()) != "RUNNING":
    answer({"error": "the node did not start"})
    os._exit(1)
answer({"rid": str(node.identity.rid), "url": node.identity.profile.base_url})
for line in sys.stdin:
    try:
        answer({"ok": obey(node, json.loads(line))})
    except Exception as error:
        answer({"error": f"{type(error).__name__}: {error}"})
os._exit(0)
