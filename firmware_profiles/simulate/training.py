"""What a simulated board has learned when the time of its work is over: nothing (`none`), what another board
once learned (`replay`), or what it really learns (`real`)."""

from __future__ import annotations

from collections.abc import Sequence

from edge_client.core.events import TrainingFinished
from edge_client.core.quantise import quantise
from edge_client.litert.graph import TrainingGraph
from edge_client.litert.training import TrainingPlan, train
from firmware_profiles.fleet.work import LOSS_MICRO, Work, finished, random_codes
from firmware_profiles.lesson.bank import Bank
from firmware_profiles.lesson.digits import Lesson, weights_of


class NoTraining:
    """`--train none`: for what does not ask about accuracy."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = tuple(sizes)

    def __call__(self, work: Work) -> TrainingFinished:
        """The same for the same order."""
        return finished(work, random_codes(self._sizes, work.order.seed), (LOSS_MICRO, LOSS_MICRO))


class Real:
    """`--train real`: what the device learns from its share, by LiteRT; one interpreter for all."""

    def __init__(self, lesson: Lesson) -> None:
        self._lesson = lesson
        self._graph = TrainingGraph.open(lesson.graph)

    def __call__(self, work: Work) -> TrainingFinished:
        """The same on the same type of processor with the same runtime."""
        graph, order = self._graph, work.order
        model = work.objects.get(order.model_root)
        if model is None:
            raise RuntimeError("the model of the round is not stored")
        base = weights_of(graph, model)
        graph.set_weights(base)
        graph.reset_optimizer()
        plan = TrainingPlan(
            order.params.local_epochs, order.params.learning_rate, int.from_bytes(order.seed[:8], "big")
        )
        outcome = train(graph, self._lesson.shares[work.setup.share], plan, lambda: False)
        delta = [after - before for after, before in zip(graph.get_weights(), base, strict=True)]
        body, _ = quantise(delta, order.seed)
        return finished(work, body, (outcome.loss_before_micro, outcome.loss_after_micro))


class Replay:
    """`--train replay`: what a device with this share of the data once learned, from a model of that age."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    def __call__(self, work: Work) -> TrainingFinished:
        """The same on every machine."""
        found = self._bank.update(work.order.round, work.setup.share)
        return finished(work, found.body, (found.loss_before_micro, found.loss_after_micro))
