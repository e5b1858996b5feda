"""A sweep over learning rate and batch size: small networks learn handwritten digits side by side.

Start `steplog server`, then `python examples/digits.py`, and watch the project `digits`.
Needs scikit-learn for its data.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

import steplog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

LEARNING_RATES = (0.01, 0.05, 0.2)
BATCH_SIZES = (16, 32, 64)


@dataclass(frozen=True)
class Config:
    """What a run is told."""

    learning_rate: float
    batch_size: int
    epochs: int
    hidden: int = 192
    momentum: float = 0.9
    weight_decay: float = 1e-4
    seed: int = 0


class Split(NamedTuple):
    """Images as rows of 64 values from 0 to 1, and their digits."""

    images: NDArray[np.float32]
    digits: NDArray[np.int64]


class Network:
    """A perceptron with two hidden layers, trained by gradient descent with momentum."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.random = np.random.default_rng(config.seed)
        sizes = (64, config.hidden, config.hidden, 10)
        self.weights = [
            (self.random.standard_normal((before, after)) * np.sqrt(2 / before)).astype(np.float32)
            for before, after in itertools.pairwise(sizes)
        ]
        self.biases = [np.zeros(after, dtype=np.float32) for after in sizes[1:]]
        self.speeds = [np.zeros_like(values) for values in self.weights + self.biases]

    def forward(self, images: NDArray[np.float32]) -> tuple[list[Any], NDArray[np.float32]]:
        """The inputs of each layer, and the probability of each digit."""
        inputs = [images]
        for weights, biases in zip(self.weights[:-1], self.biases[:-1], strict=True):
            inputs.append(np.maximum(inputs[-1] @ weights + biases, 0))
        scores = inputs[-1] @ self.weights[-1] + self.biases[-1]
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return inputs, powers / powers.sum(axis=1, keepdims=True)

    def train(self, batch: Split, learning_rate: float) -> tuple[float, float]:
        """Learn from a batch; loss and accuracy before that."""
        inputs, probabilities = self.forward(batch.images)
        measured = measure(probabilities, batch.digits)
        slope = probabilities.copy()
        slope[np.arange(len(batch.digits)), batch.digits] -= 1
        slope /= len(batch.digits)
        for layer in reversed(range(len(self.weights))):
            weight_slope = inputs[layer].T @ slope + self.config.weight_decay * self.weights[layer]
            bias_slope = slope.sum(axis=0)
            slope = (slope @ self.weights[layer].T) * (inputs[layer] > 0)
            self._move(layer, self.weights[layer], weight_slope * learning_rate)
            self._move(len(self.weights) + layer, self.biases[layer], bias_slope * learning_rate)
        return measured

    def _move(self, number: int, values: NDArray[np.float32], by: NDArray[np.float32]) -> None:
        self.speeds[number] *= self.config.momentum
        self.speeds[number] -= by
        values += self.speeds[number]

    def validate(self, split: Split) -> tuple[float, float]:
        """Loss and accuracy on images that are not learned from."""
        return measure(self.forward(split.images)[1], split.digits)

    def batches(self, split: Split) -> Iterator[Split]:
        """All images in a new order, a batch at a time."""
        order = self.random.permutation(len(split.digits))
        for start in range(0, len(order), self.config.batch_size):
            chosen = order[start : start + self.config.batch_size]
            # Noise, since the images are few.
            noise = self.random.normal(0, 0.1, (len(chosen), 64)).astype(np.float32)
            yield Split(split.images[chosen] + noise, split.digits[chosen])


def measure(probabilities: NDArray[np.float32], digits: NDArray[np.int64]) -> tuple[float, float]:
    """Mean cross-entropy and the share of digits told right."""
    right = probabilities[np.arange(len(digits)), digits]
    loss = -np.log(np.maximum(right, 1e-12)).mean()
    return float(loss), float((probabilities.argmax(axis=1) == digits).mean())


def load(seed: int = 0) -> tuple[Split, Split]:
    """The images to learn from, and those to validate with."""
    images, digits = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    train_images, val_images, train_digits, val_digits = train_test_split(
        images, digits, test_size=0.2, random_state=seed, stratify=digits
    )
    return Split(train_images, train_digits), Split(val_images, val_digits)


async def train(config: Config, train_split: Split, val_split: Split) -> tuple[str, Any]:
    """Train one network as one run; the run's id, and how many values it logged."""
    name = f"lr-{config.learning_rate:g}-batch-{config.batch_size}"
    async with steplog.init(project="digits", name=name, config=asdict(config)) as run:
        network = Network(config)
        best = 0.0
        for epoch in range(config.epochs):
            learning_rate = config.learning_rate * (1 + np.cos(np.pi * epoch / config.epochs)) / 2
            for batch in network.batches(train_split):
                loss, accuracy = await asyncio.to_thread(network.train, batch, learning_rate)
                await run.alog(
                    {
                        "train/loss": loss,
                        "train/accuracy": accuracy,
                        "learning_rate": learning_rate,
                    }
                )
            loss, accuracy = await asyncio.to_thread(network.validate, val_split)
            await run.alog({"val/loss": loss, "val/accuracy": accuracy, "epoch": epoch})
            best = max(best, accuracy)
            run.summary["best_accuracy"] = best
        return run.id, run.status()["values"]


async def main() -> None:
    """Train all networks of the sweep at the same time."""
    parser = argparse.ArgumentParser(description="Learn handwritten digits, many times.")
    parser.add_argument("--epochs", type=int, help="how often a network sees each image")
    parser.add_argument("--quick", action="store_true", help="a small sweep of a second or two")
    options = parser.parse_args()
    learning_rates = LEARNING_RATES[:2] if options.quick else LEARNING_RATES
    batch_sizes = BATCH_SIZES[1:2] if options.quick else BATCH_SIZES
    epochs = options.epochs or (3 if options.quick else 90)
    train_split, val_split = load()
    # The networks are small and many: one core for each is better than all cores for one.
    with threadpool_limits(limits=1):
        results = await asyncio.gather(
            *(
                train(Config(learning_rate, batch_size, epochs), train_split, val_split)
                for learning_rate, batch_size in itertools.product(learning_rates, batch_sizes)
            )
        )
    ids = [run_id for run_id, _ in results]
    print(json.dumps({"runs": ids, "values": sum(values for _, values in results)}))


if __name__ == "__main__":
    asyncio.run(main())
