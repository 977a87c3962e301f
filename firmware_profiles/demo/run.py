"""The demo from curtain to curtain: start, watch every round, measure, stop, report."""

from __future__ import annotations

import os
import queue
import time
from contextlib import closing
from typing import Any

import numpy as np

from edge_client.adapters.status_file import read_status_file
from edge_client.core.identity import Identity
from edge_client.litert.graph import TrainingGraph
from edge_client.litert.training import evaluate
from edge_client.protocol.keys import Signer
from edge_client.protocol.machine import Note, Publish, Refused, Subscribe, Unsubscribe, Woke
from edge_client.protocol.model import decode_model, to_float
from edge_client.runtime.clock import SystemClock
from edge_client.runtime.mqtt import MqttTransport
from edge_client.runtime.mqtt_options import MqttOptions, parse_server
from firmware_profiles.demo.heads import Heads
from firmware_profiles.demo.measure import consensus_times, finality_of
from firmware_profiles.demo.observer import ModelHere, Observer
from firmware_profiles.demo.processes import Children, uninterrupted
from firmware_profiles.demo.setting import DemoPlan, Stage, set_stage, start_everybody
from firmware_profiles.demo.view import RoundShown, View

ACCURACY_MIN = 0.90
ROUND_S_MAX = 60.0
AGREE_S_MAX = 60.0
NAP_S_MAX = 0.25
POLL_S = 0.02
SEED_BYTES = 32


class DemoStuckError(Exception):
    """A round did not close in time, or the heads never agreed."""


class Watch:
    """Runs the observer in the demo's own thread and measures each model it proves."""

    def __init__(self, stage: Stage, view: View, children: Children) -> None:
        self.stage = stage
        self.view = view
        self.children = children
        self.accuracy: list[float] = []
        self.updates: list[int] = []
        files = stage.files
        signer = Signer(os.urandom(SEED_BYTES))
        identity = Identity(signer, files.chain_id)
        self._observer = Observer(identity, files.genesis, os.urandom(SEED_BYTES))
        servers = tuple(parse_server(url) for url in self.stage.join.servers)
        self._transport = MqttTransport(MqttOptions(servers, identity.device))
        self._graph = TrainingGraph.open(files.graph)
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._clock = SystemClock()
        self._round_began_s = time.monotonic()

    def rounds(self, count: int) -> None:
        """Follow the chain until `count` rounds are closed and measured; raises `DemoStuckError`."""
        self._transport.start(self._events.put)
        try:
            while len(self.accuracy) < count:
                self._step()
                if time.monotonic() - self._round_began_s > ROUND_S_MAX:
                    raise DemoStuckError(
                        f"round {len(self.accuracy) + 1} did not close in {ROUND_S_MAX:.0f} s"
                    )
        finally:
            self._transport.stop()

    def _step(self) -> None:
        self.children.check()
        deadline_ms, now_ms = self._observer.deadline(), self._clock.now_ms()
        nap_s = NAP_S_MAX if deadline_ms is None else min(NAP_S_MAX, (deadline_ms - now_ms) / 1000)
        try:
            event = self._events.get(timeout=max(0.001, nap_s))
        except queue.Empty:
            event = Woke()
        for effect in self._observer.handle(event, self._clock.now_ms()):
            self._execute(effect)
        elapsed_s = time.monotonic() - self._round_began_s
        self.view.progress(f"round {len(self.accuracy) + 1} open for {elapsed_s:.0f} s")

    def _execute(self, effect: object) -> None:
        match effect:
            case Publish():
                self._transport.publish(effect)
            case Subscribe(filters):
                self._transport.subscribe(filters)
            case Unsubscribe(filters):
                self._transport.unsubscribe(filters)
            case ModelHere():
                self._measure(effect)
            case Note() | Refused():
                pass

    def _measure(self, here: ModelHere) -> None:
        """Accuracy on the held-out part, of the very bytes that the header commits to."""
        manifest = self.stage.files.genesis.manifest
        flat = to_float(decode_model(here.model, manifest.parameter_count), manifest.frac_bits)
        parts = np.split(flat, np.cumsum(manifest.sizes)[:-1])
        weights = [part.reshape(one.dims) for part, one in zip(parts, manifest.tensors, strict=True)]
        self._graph.set_weights(weights)
        accuracy = evaluate(self._graph, self.stage.held_out).accuracy
        now_s = time.monotonic()
        finality_ms = finality_of(self.stage.event_files, here.head.height)
        took_s = now_s - self._round_began_s
        shown = RoundShown(here.closed_round, here.accounts, accuracy, finality_ms, took_s)
        self._round_began_s = now_s
        self.accuracy.append(round(accuracy, 4))
        self.updates.append(len(here.accounts))
        self.view.round(shown)


def run_demo(plan: DemoPlan, view: View) -> dict[str, Any]:
    """Run it all and return the facts."""
    began_s = time.monotonic()
    view.say(f"setting the stage in {plan.folder}")
    stage = set_stage(plan)
    children = Children()
    try:
        crowd = f"{plan.validators} validators, {plan.devices} devices"
        view.say(f"starting {stage.server.name} MQTT server, {crowd}")
        start_everybody(stage, children)
        watch = Watch(stage, view, children)
        watch.rounds(plan.rounds)
        agree = _wait_for_agreement(stage)
        peak_kib = max(child.peak_rss_kib for child in children.members if child.name.startswith("device"))
    finally:
        view.close()
        with uninterrupted():
            children.stop()
            stage.server.stop()
    return {
        "accuracy": watch.accuracy,
        "rounds": len(watch.accuracy),
        "devices": plan.devices,
        "validators": plan.validators,
        "heads_agree": agree,
        **_times(stage),
        **_bytes(stage, len(watch.accuracy)),
        "updates_per_round": round(sum(watch.updates) / max(1, len(watch.updates)), 2),
        "device_peak_rss_mb": round(peak_kib / 1024, 1),
        "mqtt_server": stage.server.name,
        "wall_s": round(time.monotonic() - began_s, 1),
    }


def _wait_for_agreement(stage: Stage) -> bool:
    """Whether, at some moment, every device's verified head and every validator's are one and the same."""
    until_s = time.monotonic() + AGREE_S_MAX
    with closing(Heads(stage)) as heads:
        while time.monotonic() < until_s:
            if heads.agree():
                return True
            time.sleep(POLL_S)
    return False


def _times(stage: Stage) -> dict[str, Any]:
    times = consensus_times(stage.event_files)
    return {"finality_ms": times.finality_ms.as_dict(), "round_close_ms": times.round_close_ms.as_dict()}


def _bytes(stage: Stage, rounds: int) -> dict[str, Any]:
    """MQTT payloads per device and round, joining and fetching the graph included."""
    words = [read_status_file(folder) for folder in stage.device_folders]
    share = max(1, rounds * len(words))
    return {
        "up_bytes_per_device_round": sum(one.get("up_bytes", 0) for one in words) // share,
        "down_bytes_per_device_round": sum(one.get("down_bytes", 0) for one in words) // share,
    }
