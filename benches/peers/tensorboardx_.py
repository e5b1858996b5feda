"""Scalars are float32 there. Read by the reader of TensorBoard, told to keep all of them."""

from __future__ import annotations

from tensorboardX import SummaryWriter

PACKAGE, IS_FLOAT32 = "tensorboardX", True


def start(folder):
    writer = SummaryWriter(logdir=f"{folder}/run")
    step = -1

    def log(row):
        nonlocal step
        step += 1
        for key, value in row.items():
            writer.add_scalar(key, value, step)

    return log, writer.close


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(f"{folder}/run", size_guidance={"scalars": 0}).Reload()
    rows = {}
    for key in events.Tags()["scalars"]:
        for event in events.Scalars(key):
            rows.setdefault(event.step, {})[key] = event.value
    yield from rows.items()
