"""What a real koi-net node loses to races between its own threads, made steady by its own way of replacing components.

Nothing here changes what it says on the wire, or what it does with what it hears; only that it does not depend on luck.
"""

import functools
import os
import ssl
import threading

import httpx
from koi_net.components import (
    Cache,
    ErrorHandler,
    EventBuffer,
    EventProcessingWorker,
    KnowledgePipeline,
    NetworkGraph,
    NodePoller,
)

# Each call makes a TLS context anew, for plain HTTP too: 30 ms of a core. And it gives up after 5 s, which a loaded machine may take.
httpx.post = functools.partial(httpx.post, verify=ssl.create_default_context(), timeout=60)


class WholeCache(Cache):
    """A file is emptied before it is written. Whoever reads in between finds no such node, refuses its envelope, and drops what was to be sent to it."""

    def write(self, bundle):
        os.makedirs(self.directory_path, exist_ok=True)
        beside = self.root_dir / f"cache-{threading.get_ident()}.tmp"
        beside.write_text(bundle.model_dump_json(indent=2), encoding="utf-8")
        os.replace(beside, self.file_path_to(bundle.manifest.rid))
        return bundle


class WholeGraph(NetworkGraph):
    """The graph is emptied before it is filled again. A poll, or a start, in between finds no neighbours, or ends the node over a dict that changes."""

    filling = threading.Lock()

    def generate(self):
        with self.filling:
            fresh = NetworkGraph(self.log, self.cache, self.identity)
            fresh.generate()
            self.dg = fresh.dg


class WholeEventBuffer(EventBuffer):
    """A poll that comes between the two steps of a push takes the list away, and what is pushed goes with it."""

    changing = threading.Lock()

    def push(self, node, event):
        with self.changing:
            super().push(node, event)

    def flush(self, node, limit=0):
        with self.changing:
            return super().flush(node, limit)


class PatientErrorHandler(ErrorHandler):
    """A node is forgotten at the fourth call in vain. A partial node polls every 5 s by default, and here 25 times as often, also while ours restart."""

    def handle_connection_error(self, node):
        self.timeout_counter[node] = self.timeout_counter.get(node, 0) - 0.99
        super().handle_connection_error(node)


class ResendingEventWorker(EventProcessingWorker):
    """What a node refused, not knowing this one yet, or was away for, goes out again with the next event for it."""

    def resend(self, targets):
        """As that next event would."""
        for target in targets:
            if self.broadcast_event_buf.buf_len(target) > 0:
                self.broadcast_event_buf.start_time.setdefault(target, 0)


class CountingPipeline(KnowledgePipeline):
    handled = 0

    def process(self, kobj):
        self.handled += 1
        super().process(kobj)


class PausablePoller(NodePoller):
    """Polls when it is told to, and not before it has worked off what it got: events from a node whose profile still waits in its queue are dropped."""

    polling = threading.Lock()
    is_paused = False

    def poll(self):
        with self.polling:
            if not self.is_paused and self.kobj_queue.q.unfinished_tasks == 0:
                super().poll()

    def pause(self, paused):
        """A poll that is on its way ends first."""
        with self.polling:
            self.is_paused = paused
