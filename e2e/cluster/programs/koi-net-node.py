"""A koi-net node that wants to hear of datasets. Usage: koi-net-node.py FOLDER CONFIG   (its configuration, as JSON)

It ends where its first contact does not take it.
"""

import os
import sys
import time
from pathlib import Path

import httpx
from koi_net.config import FullNodeConfig
from koi_net.core import FullNode
from rid_lib.core import ORN
from steady import PatientErrorHandler, ResendingEventWorker, WholeCache, WholeGraph


class Dataset(ORN):
    namespace = "data-catalog.dataset"

    def __init__(self, reference: str):
        self._reference = reference

    @property
    def reference(self):
        return self._reference

    @classmethod
    def from_reference(cls, reference):
        return cls(reference)


class Node(FullNode):
    config_schema = FullNodeConfig
    cache = WholeCache
    graph = WholeGraph
    error_handler = PatientErrorHandler
    event_worker = ResendingEventWorker


def wait_for(url):
    """Network policies learn of a new pod after a moment, and the node introduces itself but once."""
    while True:
        try:
            return httpx.get(url, timeout=5)
        except httpx.TransportError:
            time.sleep(0.5)


folder = Path(sys.argv[1])
# JSON is YAML.
(folder / "config.yaml").write_text(Path(sys.argv[2]).read_text())
node = Node(root_dir=folder)
wait_for(node.config.koi_net.first_contact.url)
node.start()
if str(node.get_state()) != "RUNNING":
    # Its other threads go on.
    os._exit(1)
while True:
    time.sleep(0.5)
    node.event_worker.resend(list(node.broadcast_event_buf.buffers))
