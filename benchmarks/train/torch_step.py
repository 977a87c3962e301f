"""One PyTorch model: prints its step time and peak memory as JSON. Run by the Python of `.venv-oracle`.

usage: torch_step.py MODEL BATCH SECONDS
Imports nothing of this project, so that the peak is PyTorch's own. The models are those of the zoo.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn


def _separable(channels: int) -> list[nn.Module]:
    depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
    return [depthwise, nn.ReLU(), nn.Conv2d(channels, channels, 1), nn.ReLU()]


def _dense(*widths: int) -> nn.Module:
    layers = [
        layer for inputs, outputs in pairwise(widths) for layer in (nn.Linear(inputs, outputs), nn.ReLU())
    ]
    return nn.Sequential(*layers[:-1])


def _convolutions(kernel: int, channels: tuple[int, int], head: list[nn.Module]) -> nn.Module:
    first, second = channels
    return nn.Sequential(
        *(nn.Conv2d(1, first, kernel, padding=kernel // 2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(first, second, kernel, padding=kernel // 2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), *head),
    )


def _keyword() -> nn.Module:
    # SAME padding of a 10x4 kernel at stride 2 over 49x10: 4 and 5 zeros above and below, 1 at each side.
    first = [nn.ZeroPad2d((1, 1, 4, 5)), nn.Conv2d(1, 64, (10, 4), stride=2), nn.ReLU()]
    blocks = [layer for _ in range(4) for layer in _separable(64)]
    return nn.Sequential(*first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 12))


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "dense_net": (lambda: _dense(784, 128, 10), (784,), 10),
    "two_nn": (lambda: _dense(784, 200, 200, 10), (784,), 10),
    "mcmahan_cnn": (
        lambda: _convolutions(5, (32, 64), [nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 10)]),
        (1, 28, 28),
        10,
    ),
    "small_cnn": (lambda: _convolutions(3, (8, 16), [nn.Linear(784, 10)]), (1, 28, 28), 10),
    "keyword_net": (_keyword, (1, 49, 10), 12),
}


def main() -> None:
    """Time steps of plain SGD for the given number of seconds."""
    name, batch, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    torch.set_num_threads(1)
    torch.manual_seed(1)
    make, shape, classes = MODELS[name]
    model, loss_of = make(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x, y = torch.rand(batch, *shape), torch.randint(0, classes, (batch,))
    times: list[float] = []
    end = time.process_time() + seconds
    while time.process_time() < end or len(times) < 10:
        start = time.process_time()
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        loss.item()
        times.append(time.process_time() - start)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    count = sum(parameter.numel() for parameter in model.parameters())
    print(json.dumps({"step_s": statistics.median(times), "peak_mb": peak_kb / 1024, "parameters": count}))


if __name__ == "__main__":
    main()
