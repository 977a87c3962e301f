"""Writes each new verified model as `current.tflite` and runs the owner's hook, beside the agent's work.

A thread lives only while there is something to write; of several models that wait the last one counts.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap

from edge_client.adapters.hook import Hook, Say
from edge_client.adapters.model_files import ModelFiles
from edge_client.litert.inference import assemble
from edge_client.litert.ir import ModelError
from edge_client.protocol.genesis import Genesis
from edge_client.runtime.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class NewModel:
    """A verified model that is stored, and the head that commits to it."""

    genesis: Genesis
    root: bytes
    height: int
    round: int


class Publisher:
    """Used from the agent's thread; everything slow happens in its own."""

    def __init__(self, objects: ObjectStore, files: ModelFiles, hook: Hook, say: Say) -> None:
        self._objects = objects
        self._files = files
        self._hook = hook
        self._say = say
        self._lock = threading.Lock()
        self._next: NewModel | None = None
        self._thread: threading.Thread | None = None
        self._said = False

    def offer(self, model: NewModel) -> None:
        """Make this the current model, soon, unless it is that already."""
        with self._lock:
            self._next = model
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
                self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Drop what waits, kill a running hook, and wait for the thread, at most so long."""
        with self._lock:
            self._next, thread = None, self._thread
        self._hook.stop()
        if thread is not None:
            thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._lock:
                model, self._next = self._next, None
                if model is None:
                    self._thread = None
                    return
            if model.root != self._files.root():
                self._publish(model)

    def _publish(self, model: NewModel) -> None:
        """The object may be gone by now: then a newer one waits, or will."""
        data = self._objects.get(model.root)
        if data is None:
            return
        graph_file = self._objects.path(model.genesis.graph_root)
        try:
            with graph_file.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as graph:
                self._files.publish(model.root, assemble(graph, data, model.genesis.manifest))
        except ModelError as error:
            if not self._said:
                self._say(f"no current.tflite: {error}")
            self._said = True
            return
        facts = {"model": str(self._files.current.absolute()), "root": model.root.hex()}
        self._hook.run(facts | {"height": str(model.height), "round": str(model.round)})
