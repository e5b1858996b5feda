"""Offline. Its log of records is blocks of 32 KiB, of chunks that are whole records or parts."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import wandb
from wandb.proto import wandb_internal_pb2 as pb

PACKAGE, IS_FLOAT32 = "wandb", False
BLOCK, HEAD, CHUNK_HEAD = 1 << 15, 7, 7
FULL, _, _, LAST = 1, 2, 3, 4


def start(folder):
    settings = wandb.Settings(mode="offline", silent=True)
    run = wandb.init(project="bench", dir=folder, settings=settings)

    def finish():
        run.finish()
        wandb.teardown()

    return run.log, finish


def read(folder):
    (path,) = Path(folder).rglob("*.wandb")
    data, at, record = path.read_bytes(), HEAD, b""
    while at + CHUNK_HEAD <= len(data):
        if BLOCK - at % BLOCK < CHUNK_HEAD:
            at += BLOCK - at % BLOCK
            continue
        _, size, kind = struct.unpack_from("<IHB", data, at)
        record += data[at + CHUNK_HEAD : at + CHUNK_HEAD + size]
        at += CHUNK_HEAD + size
        if kind in {FULL, LAST}:
            parsed = pb.Record.FromString(record)
            record = b""
            if parsed.WhichOneof("record_type") == "history":
                row = {
                    item.key or ".".join(item.nested_key): json.loads(item.value_json)
                    for item in parsed.history.item
                }
                yield parsed.history.step.num, row
