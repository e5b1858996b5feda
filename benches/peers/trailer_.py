from __future__ import annotations

import sqlite3
from pathlib import Path

from trailer import Tracker

# It keeps 100,000 calls and drops older ones, and takes minutes to write what it has kept.
MOST_CALLS = 2_000
PACKAGE, IS_FLOAT32 = "trailer-sdk", False


def start(folder):
    tracker = Tracker(project="bench", db_path=f"{folder}/trailer.db", auto_collect=False)
    return tracker.log, tracker.finish


def read(folder):
    rows = {}
    with sqlite3.connect(Path(folder) / "trailer.db") as connection:
        query = "SELECT context, key, step, value FROM metrics"
        for context, key, step, value in connection.execute(query):
            rows.setdefault(step, {})[f"{context}/{key}"] = value
    yield from rows.items()
