"""Makes a bank: plain rounds in which every share is trained once, added up as the chain adds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge_client.core.quantise import quantise
from edge_client.litert.graph import TrainingGraph
from edge_client.litert.training import Dataset, TrainingPlan, train
from edge_client.protocol.execution.arithmetic import Sum, normalised_weights
from edge_client.protocol.model import encode_model, to_fixed
from edge_client.protocol.params import CLIP_ONE
from firmware_profiles.lesson.bank import Bank, Recorded
from firmware_profiles.lesson.digits import Lesson, weights_of
from firmware_profiles.twin.draws import drawn

CLIP_NORM_Q20 = 10 * CLIP_ONE


def record(lesson: Lesson, plan: TrainingPlan, stages: int, progress: Callable[[int], None]) -> Bank:
    """Train `stages` rounds; `plan.seed` draws the order of samples and the rounding."""
    graph = TrainingGraph.open(lesson.graph)
    manifest = graph.manifest
    model = to_fixed(np.concatenate([one.ravel() for one in graph.get_weights()]), manifest.frac_bits)
    kept: list[list[Recorded]] = []
    for stage in range(stages):
        base = encode_model(model)
        seeds = [drawn(plan.seed, f"stage {stage}", share) for share in range(len(lesson.shares))]
        round_kept = [
            _train(graph, data, base, plan, seed) for data, seed in zip(lesson.shares, seeds, strict=True)
        ]
        raw = [len(one) for one in lesson.shares]
        total = Sum(manifest.sizes)
        for one, weight in zip(round_kept, normalised_weights(raw), strict=True):
            total.add(one.body, weight, CLIP_NORM_Q20)
        model, _ = total.apply_to(model, manifest.frac_bits)
        kept.append(round_kept)
        progress(stage + 1)
    return Bank(
        np.array([[one.body.codes for one in row] for row in kept], dtype=np.int8),
        np.array([[one.body.exponents for one in row] for row in kept], dtype=np.int8),
        np.array([[(one.loss_before_micro, one.loss_after_micro) for one in row] for row in kept], np.uint32),
    )


def _train(graph: TrainingGraph, data: Dataset, model: bytes, plan: TrainingPlan, seed: bytes) -> Recorded:
    base = weights_of(graph, model)
    graph.set_weights(base)
    graph.reset_optimizer()
    own = TrainingPlan(plan.epochs, plan.learning_rate, int.from_bytes(seed[:8], "big"))
    outcome = train(graph, data, own, lambda: False)
    delta = [after - before for after, before in zip(graph.get_weights(), base, strict=True)]
    body, _ = quantise(delta, seed)
    return Recorded(body, outcome.loss_before_micro, outcome.loss_after_micro)
