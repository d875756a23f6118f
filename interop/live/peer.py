"""A real koi-net node, told what to do by JSON lines on standard input; each is answered by one line on standard output.

Usage: peer.py FOLDER KIND NAME PORT [FIRST_CONTACT_URL FIRST_CONTACT_RID]   (KIND: full, partial or coordinator)
"""

import json
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

folder, kind, name, port = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
contact = sys.argv[5:7]
os.environ["PRIV_KEY_PASSWORD"] = "interop"
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
    PartialNodeConfig,
    PartialNodeProfile,
    ServerConfig,
)
from koi_net.config.poller_config import PollerConfig
from koi_net.core import FullNode, PartialNode
from koi_net.protocol import EventType
from koi_net_coordinator_node.config import CoordinatorConfig
from koi_net_coordinator_node.core import CoordinatorNode
from rid_lib import RID, RIDType
from rid_lib.core import ORN
from rid_lib.ext import Bundle
from rid_lib.types import KoiNetEdge, KoiNetNode


class Note(ORN):
    namespace = "notes.note"

    def __init__(self, reference: str):
        self._reference = reference

    @property
    def reference(self):
        return self._reference

    @classmethod
    def from_reference(cls, reference):
        return cls(reference)


seen = []


@dataclass
class Witness(KnowledgeHandler):
    handler_type = HandlerType.Final

    def handle(self, kobj):
        event_type = kobj.normalized_event_type
        seen.append([str(event_type), str(kobj.rid), str(kobj.source) if kobj.source else None])


first_contact = NodeContact(url=contact[0], rid=contact[1]) if contact else NodeContact()
provides = NodeProvides(event=[Note], state=[Note])
interest = [KoiNetNode, Note]


class Full(FullNodeConfig):
    server: ServerConfig = ServerConfig(port=port)
    koi_net: KoiNetConfig = KoiNetConfig(
        node_name=name,
        node_profile=FullNodeProfile(provides=provides),
        rid_types_of_interest=interest,
        first_contact=first_contact,
    )


class Partial(PartialNodeConfig):
    poller: PollerConfig = PollerConfig(polling_interval=1)
    koi_net: KoiNetConfig = KoiNetConfig(
        node_name=name,
        node_profile=PartialNodeProfile(),
        rid_types_of_interest=interest,
        first_contact=first_contact,
    )


class Coordinator(CoordinatorConfig):
    server: ServerConfig = ServerConfig(port=port)


class FullPeer(FullNode):
    config_schema = Full
    witness = Witness


class PartialPeer(PartialNode):
    config_schema = Partial
    witness = Witness


class CoordinatorPeer(CoordinatorNode):
    config_schema = Coordinator
    witness = Witness


def bundle_of(node, rid):
    bundle = node.cache.read(RID.from_string(rid))
    return bundle and json.loads(bundle.model_dump_json())


def obey(node, order):
    match order["do"]:
        case "publish":
            bundle = Bundle.generate(RID.from_string(order["rid"]), order["contents"])
            node.kobj_queue.push(bundle=bundle)
        case "forget":
            node.kobj_queue.push(rid=RID.from_string(order["rid"]), event_type=EventType.FORGET)
        case "read":
            return bundle_of(node, order["rid"])
        case "list":
            return [str(rid) for rid in node.cache.list_rids()]
        case "seen":
            return seen
        case "fetch_rids":
            types = [RIDType.from_string(name) for name in order["types"]]
            reply = node.request_handler.fetch_rids(RID.from_string(order["node"]), rid_types=types)
            return [str(rid) for rid in reply.rids]
        case "fetch_manifests":
            rids = [RID.from_string(rid) for rid in order["rids"]]
            reply = node.request_handler.fetch_manifests(RID.from_string(order["node"]), rids=rids)
            return json.loads(reply.model_dump_json(exclude_none=True))
        case "fetch_bundles":
            rids = [RID.from_string(rid) for rid in order["rids"]]
            reply = node.request_handler.fetch_bundles(RID.from_string(order["node"]), rids=rids)
            return json.loads(reply.model_dump_json(exclude_none=True))
        case "running":
            return str(node.get_state())
    return None


def answer(value):
    answers.write(json.dumps(value) + "\n")
    answers.flush()


node = {"full": FullPeer, "partial": PartialPeer, "coordinator": CoordinatorPeer}[kind](root_dir=folder)
node.start()
if str(node.get_state()) != "RUNNING":
    answer({"error": "the node did not start"})
    os._exit(1)
answer({"rid": str(node.identity.rid), "base_url": node.identity.profile.base_url})
for line in sys.stdin:
    try:
        answer({"ok": obey(node, json.loads(line))})
    except Exception as error:
        answer({"error": f"{type(error).__name__}: {error}"})
node.stop()
os._exit(0)
