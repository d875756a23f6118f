"""A real koi-net node, told what to do by JSON lines on standard input; each is answered by one line on standard output.

Usage: peer.py FOLDER KIND NAME PORT [FIRST_CONTACT_URL FIRST_CONTACT_RID]   (KIND: full, partial, coordinator, or curious: full, and subscribed to edges as well)
"""

import json
import logging
import os
import sys
from pathlib import Path

folder, kind, name, port = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
contact = sys.argv[5:7]
os.environ["PRIV_KEY_PASSWORD"] = "interop"
os.chdir(folder)
# The node logs to standard output; the answers go where that was.
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(os.open(folder / "stdout.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)

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
from koi_net.config.koi_net_config import EventWorkerConfig
from koi_net.config.poller_config import PollerConfig
from koi_net.core import FullNode, PartialNode
from koi_net.protocol import Event, EventType, generate_edge_bundle
from koi_net.protocol.model_map import API_MODEL_MAP
from koi_net_coordinator_node.config import CoordinatorConfig
from koi_net_coordinator_node.core import CoordinatorNode
from rid_lib import RID, RIDType
from rid_lib.core import ORN
from rid_lib.ext import Bundle
from rid_lib.types import KoiNetEdge, KoiNetNode
from steady import (
    CountingPipeline,
    PatientErrorHandler,
    PausablePoller,
    ResendingEventWorker,
    WholeCache,
    WholeEventBuffer,
    WholeGraph,
)


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


# Quicker than the 1 s of its own, so that nobody waits for it.
quick = EventWorkerConfig(queue_timeout=0.02, max_wait_time=0.1)
first_contact = NodeContact(url=contact[0], rid=contact[1]) if contact else NodeContact()
provides = NodeProvides(event=[Note], state=[Note])
interest = [KoiNetNode, Note] + ([KoiNetEdge] if kind == "curious" else [])


class Full(FullNodeConfig):
    server: ServerConfig = ServerConfig(port=port)
    koi_net: KoiNetConfig = KoiNetConfig(
        node_name=name,
        node_profile=FullNodeProfile(provides=provides),
        rid_types_of_interest=interest,
        first_contact=first_contact,
        event_worker=quick,
    )


class Partial(PartialNodeConfig):
    poller: PollerConfig = PollerConfig(polling_interval=1)
    koi_net: KoiNetConfig = KoiNetConfig(
        node_name=name,
        node_profile=PartialNodeProfile(),
        rid_types_of_interest=interest,
        first_contact=first_contact,
        event_worker=quick,
    )


class Coordinator(CoordinatorConfig):
    server: ServerConfig = ServerConfig(port=port)
    koi_net: KoiNetConfig = CoordinatorConfig.model_fields["koi_net"].default.model_copy(
        update={"node_name": name, "event_worker": quick}, deep=True
    )


class Steady:
    cache = WholeCache
    graph = WholeGraph
    error_handler = PatientErrorHandler
    event_worker = ResendingEventWorker
    poll_event_buf = WholeEventBuffer
    pipeline = CountingPipeline


class FullPeer(Steady, FullNode):
    config_schema = Full


class PartialPeer(Steady, PartialNode):
    config_schema = Partial
    poller = PausablePoller


class CoordinatorPeer(Steady, CoordinatorNode):
    config_schema = Coordinator


def activity(node, among):
    """How much it has done so far, and how much of it waits to be done, sent, or taken by one of these nodes."""
    if kind == "partial":
        # What a poll brings is in the queue when it is over.
        with node.poller.polling:
            pass
    queued = node.kobj_queue.q.unfinished_tasks + node.event_queue.q.unfinished_tasks
    buffers = [*node.broadcast_event_buf.buffers.items(), *node.poll_event_buf.buffers.items()]
    buffered = [(target, events) for target, events in buffers if str(target) in among]
    if queued == 0:
        node.event_worker.resend([target for target, _ in buffered])
    return {"done": node.pipeline.handled, "waiting": queued + sum(len(events) for _, events in buffered)}


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
        case "ask":
            path, entry = next(
                item for item in API_MODEL_MAP.items() if item[1].request.model_fields["type"].default == order["type"]
            )
            request = entry.request.model_validate(order["request"])
            reply = node.request_handler.make_request(RID.from_string(order["node"]), path, request)
            return reply and json.loads(reply.model_dump_json(exclude_none=True))
        case "propose":
            types = [RIDType.from_string(name) for name in order["types"]]
            source = RID.from_string(order["provider"])
            node.kobj_queue.push(bundle=generate_edge_bundle(source, node.identity.rid, types, order["edge_type"]))
        case "provide":
            types = [RIDType.from_string(name) for name in order["types"]]
            node.config.koi_net.node_profile.provides = NodeProvides(event=types, state=types)
            node.profile_monitor.process_profile()
        case "handshake":
            node.handshaker.handshake_with(RID.from_string(order["node"]))
        case "leave":
            event = Event.from_rid(EventType.FORGET, node.identity.rid)
            node.request_handler.broadcast_events(RID.from_string(order["node"]), events=[event])
        case "polling":
            node.poller.pause(not order["on"])
        case "catch_up":
            # As at its start and at a new subscription, with everything that there is; an error here would have ended it there.
            for source in [RID.from_string(other) for other in order["nodes"]]:
                for manifest in node.request_handler.fetch_manifests(source, rid_types=[]).manifests:
                    node.kobj_queue.push(manifest=manifest, source=source)
                for rid in node.request_handler.fetch_rids(source, rid_types=[]).rids:
                    if rid != node.identity.rid and not node.cache.exists(rid):
                        node.kobj_queue.push(rid=rid, source=source)
        case "idle":
            node.kobj_queue.wait()
            node.event_queue.q.join()
        case "activity":
            return activity(node, order["among"])
        case "running":
            return str(node.get_state())
    return None


# Its log of every call costs more than the calls.
logging.disable(logging.INFO)


def answer(value):
    answers.write(json.dumps(value) + "\n")
    answers.flush()


node = {"full": FullPeer, "curious": FullPeer, "partial": PartialPeer, "coordinator": CoordinatorPeer}[kind](root_dir=folder)
node.start()
if str(node.get_state()) != "RUNNING":
    answer({"error": "the node did not start"})
    os._exit(1)
if kind == "partial":
    node.config.poller.polling_interval = 0.2
answer({"rid": str(node.identity.rid), "base_url": node.identity.profile.base_url})
for line in sys.stdin:
    try:
        answer({"ok": obey(node, json.loads(line))})
    except Exception as error:
        answer({"error": f"{type(error).__name__}: {error}"})
node.stop()
os._exit(0)
