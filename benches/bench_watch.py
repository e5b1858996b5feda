"""What `watch` adds to a training step, beside the reference's, on the same model in one process.

Needs torch and wandb; without wandb only ours is measured.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import steplog

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES = [
    *[(512, 512, 3, 3)] * 8,
    *[(2048, 512)] * 3,
    *[(1024, 256)] * 3,
    *[(512,)] * 70,
    *[(1000, 2048), (1000,)],
]
"""Of a network's parameters: 25 million in all."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=60, help="training steps of the transformer")
    arguments = parser.parse_args()
    rounds = arguments.rounds
    try:
        import torch  # noqa: PLC0415  # where it is missing, this says so
    except ImportError:
        sys.exit("torch is missing")

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            made = [torch.nn.Parameter(torch.randn(shape) * 0.02) for shape in SHAPES]
            self.parts = torch.nn.ParameterList(made)
            self.inputs = [torch.randn(shape) for shape in SHAPES]

        def forward(self) -> torch.Tensor:
            # Each gradient is other numbers than the parameter.
            return sum(
                (part * given).sum() for part, given in zip(self.parts, self.inputs, strict=True)
            )

    model = Model()

    def step() -> float:
        model.zero_grad(set_to_none=True)
        loss = model()
        begin = time.perf_counter()
        loss.backward()
        return time.perf_counter() - begin

    def measure() -> float:
        step()
        return statistics.median(step() for _ in range(rounds))

    folder = tempfile.mkdtemp(prefix="steplog-bench-")
    with steplog.init(mode="offline", dir=folder, settings={"quiet": True}) as run:
        run.watch(model, log_freq=1)
        step()
        run.log({})
        check(run, model)
        run.unwatch(model)

        plain = measure()
        run.watch(model, log_freq=1)
        ours = measure()
        run.unwatch(model)
        training = training_steps(run, torch, arguments.steps)
        hooks = hooks_alone(run, torch)
    numbers = sum(part.numel() for part in model.parts)
    print(f"{numbers / 1e6:.1f} M parameters in {len(SHAPES)} tensors, {torch.__version__}")
    print(f"backward alone               {plain * 1e3:8.1f} ms")
    print(f"steplog, a pass that counts  {(ours - plain) * 1e3:+8.1f} ms")
    report(training, hooks)
    theirs = reference(model, measure, folder)
    if theirs is not None:
        print(f"wandb, a pass that counts    {(theirs - plain) * 1e3:+8.1f} ms")
        print(f"steplog / wandb              {(ours - plain) / (theirs - plain):8.3f}")


def check(run: steplog.Run, model: Any) -> None:  # noqa: ANN401  # torch
    """What was recorded of each gradient has all its elements, where they are."""
    run.flush()
    summary = run.summary
    for name, parameter in model.named_parameters():
        found = summary[f"gradients/{name}"]
        gradient = parameter.grad.reshape(-1).tolist()
        assert sum(found["values"]) == len(gradient)
        assert (found["bins"][0], found["bins"][-1]) == (min(gradient), max(gradient))


def training_steps(run: steplog.Run, torch: Any, steps: int) -> tuple[int, float, float]:  # noqa: ANN401
    """Seconds of a whole step of a transformer, whose every tenth pass counts and of the others."""
    layer = torch.nn.TransformerEncoderLayer(512, 8, 2048, dropout=0.0, batch_first=True)
    model = torch.nn.TransformerEncoder(layer, 8, enable_nested_tensor=False)
    optimizer = torch.optim.AdamW(model.parameters())
    given = torch.randn(2, 32, 512)
    run.watch(model, log_freq=10)
    took: dict[bool, list[float]] = {False: [], True: []}
    for step in range(1, steps + 1):
        begin = time.perf_counter()
        optimizer.zero_grad()
        loss = (model(given) - given).square().mean()
        loss.backward()
        optimizer.step()
        run.log({"loss": loss.item()})
        took[step % 10 == 0].append(time.perf_counter() - begin)
    run.unwatch(model)
    numbers = sum(part.numel() for part in model.parameters())
    return numbers, statistics.median(took[True]), statistics.median(took[False])


def hooks_alone(run: steplog.Run, torch: Any, rounds: int = 400) -> float:  # noqa: ANN401
    """Seconds that hooks which count nothing add to a pass of 96 small parameters."""
    model = torch.nn.ParameterList([torch.nn.Parameter(torch.ones(1)) for _ in range(96)])

    def step() -> float:
        loss = sum(part.sum() for part in model)
        begin = time.perf_counter()
        loss.backward()
        return time.perf_counter() - begin

    with_hooks, without = [], []
    for _ in range(rounds):  # in turns, so that both see the same machine
        without.append(step())
        run.watch(model, log_freq=10**9)
        with_hooks.append(step())
        run.unwatch(model)
    return statistics.median(with_hooks) - statistics.median(without)


def report(training: tuple[int, float, float], hooks: float) -> None:
    numbers, counted, other = training
    print(f"a training step of a transformer of {numbers / 1e6:.1f} M parameters")
    print(f"  that does not count        {other * 1e3:8.1f} ms, of it hooks {hooks * 1e6:.0f} µs")
    print(f"  that counts                {(counted - other) * 1e3:+8.1f} ms")
    added = hooks + (counted - other) / 100
    print(f"added a step, log_freq=100   {added * 1e3:8.2f} ms, {added / other:.2%}")


def reference(model: Any, measure: Callable[[], float], folder: str) -> float | None:  # noqa: ANN401  # torch
    os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_CONSOLE="off")
    try:
        import wandb  # noqa: PLC0415  # few have it
    except ImportError:
        return None
    run = wandb.init(project="bench", dir=folder)
    run.watch(model, log_freq=1)
    theirs = measure()
    run.unwatch(model)
    run.finish()
    return theirs


if __name__ == "__main__":
    main()
