"""The epoch loop: every sample counts once an epoch, short batches count exactly, stop is asked each step."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from edge_client.litert.graph import TrainingGraph
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.training import Dataset, TrainingPlan, evaluate, sample_order, train
from edge_client.litert.zoo import dense_net


def opened(batch: int, den: int = 1) -> TrainingGraph:
    options = TrainingOptions(batch=batch, input_scale_den=den)
    return TrainingGraph.open(make_trainable(dense_net((4, 3), seed=2), options))


def samples(n: int) -> Dataset:
    random = np.random.default_rng(5)
    return Dataset(random.integers(0, 256, (n, 4), dtype=np.uint8), random.integers(0, 3, n))


def softmax_step(weights, x, y, rate):
    """One SGD step of a single dense layer on the mean loss, in float64."""
    kernel, bias = (array.astype(np.float64) for array in weights)
    z = x @ kernel.T + bias
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    p /= len(y)
    return kernel - rate * p.T @ x, bias - rate * p.sum(axis=0)


def test_a_short_last_batch_counts_exactly() -> None:
    graph, data = opened(batch=5, den=255), samples(7)
    expected = graph.get_weights()
    order = sample_order(9, 0, 7)
    for part in (order[:5], order[5:]):
        expected = softmax_step(expected, data.x[part] / 255.0, data.y[part], 0.5)
    outcome = train(graph, data, TrainingPlan(1, 0.5, 9), lambda: False)
    assert (outcome.steps_done, outcome.steps_asked, outcome.samples) == (2, 2, 7)
    for got, wanted in zip(graph.get_weights(), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_same_seed_same_weights_and_another_seed_others() -> None:
    def after(seed: int) -> list[np.ndarray]:
        graph = opened(batch=2, den=255)
        train(graph, samples(9), TrainingPlan(2, 0.5, seed), lambda: False)
        return graph.get_weights()

    first, again, other = after(1), after(1), after(2)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert not all((a == b).all() for a, b in zip(first, other, strict=True))


def test_stop_is_asked_before_every_step() -> None:
    graph, asked = opened(batch=2), count()
    outcome = train(graph, samples(9), TrainingPlan(3, 0.5, 1), lambda: next(asked) == 7)
    assert (outcome.steps_done, outcome.steps_asked) == (7, 15)
    assert next(asked) == 8


def test_losses_are_those_of_the_data_before_and_after() -> None:
    graph, data = opened(batch=4, den=255), samples(10)
    before = evaluate(graph, data)
    outcome = train(graph, data, TrainingPlan(20, 0.5, 1), lambda: False)
    assert outcome.loss_before_micro == round(before.loss * 1e6)
    assert outcome.loss_after_micro == round(evaluate(graph, data).loss * 1e6)
    assert outcome.loss_after_micro < outcome.loss_before_micro


def test_a_loss_that_is_not_finite_is_reported_as_the_maximum() -> None:
    graph = opened(batch=4)
    graph.set_weights([np.full_like(array, np.nan) for array in graph.get_weights()])
    outcome = train(graph, samples(4), TrainingPlan(0, 0.5, 1), lambda: False)
    assert outcome.loss_before_micro == (1 << 32) - 1


def test_float_samples_are_taken_as_they_are() -> None:
    data = samples(6)
    as_floats = Dataset(data.x.astype(np.float32), data.y)
    assert evaluate(opened(4), data) == evaluate(opened(4), as_floats)


@pytest.mark.parametrize(
    "data",
    [
        Dataset(np.zeros((3, 5), np.uint8), np.zeros(3)),
        Dataset(np.zeros((3, 4), np.float64), np.zeros(3)),  # type: ignore[arg-type]
        Dataset(np.zeros((3, 4), np.uint8), np.zeros(2)),
        Dataset(np.zeros((0, 4), np.uint8), np.zeros(0)),
        Dataset(np.zeros((2, 4), np.uint8), np.array([0, 3])),
        Dataset(np.zeros((2, 4), np.uint8), np.array([-1, 0])),
    ],
)
def test_data_that_do_not_fit_are_a_value_error(data: Dataset) -> None:
    with pytest.raises(ValueError, match="samples"):
        train(opened(2), data, TrainingPlan(1, 0.1, 1), lambda: False)
