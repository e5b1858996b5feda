"""The table explorer in a real browser."""

from __future__ import annotations

import numpy as np
import pytest
from tests.e2e.raw_tables import RawTable, table_text
from tests.e2e.test_browser import need_browser, run_page

import steplog
from steplog.data.media import Media, put

LABELS = ("cat", "dog", "bird")
TYPES = {"image": "image-file", "label": "string", "score": "number", "time": "timestamp"}
COLUMNS = ["id", "image", "label", "score", "ok", "time", "detail", "long/text"]
LONG = 1_000_000
WIDE = 10_000


class Predictions(Media):
    """A table with an image in each row."""

    def __init__(self, rows):
        self._rows = rows

    def _store(self, place, key):
        rows = []
        for number in range(self._rows):
            pixels = np.full((24, 24, 3), 40, np.uint8)
            pixels[4:20, 2 + number % 12 : 8 + number % 12] = (200, number % 200, 90)
            score = None if number % 17 == 3 else number % 10 / 10
            rows.append(
                [
                    *(number, steplog.Image(pixels).stored(place, f"{key}/image")),
                    *(LABELS[number % 3], score, number % 2 == 0),
                    1_700_000_000_000 + number * 60_000,
                    {"tokens": [1, 2, number]},
                    f"The quick brown fox jumps over the lazy dog {number}",
                ]
            )
        kept = put(place, ("table", key, ".table.json"), table_text(COLUMNS, rows, TYPES).encode())
        shape = {"ncols": len(COLUMNS), "nrows": len(rows), "log_mode": "IMMUTABLE"}
        return {"_type": "table-file", **kept, **shape}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_tables_in_the_browser(server, online):
    need_browser()
    with online("second", name="second") as run:
        run.log({"eval/preds": Predictions(100)})
    with online("r", name="first", settings={"finish_timeout_secs": 120.0}) as run:
        for rows in (200, 250, 300):
            run.log({"eval/preds": Predictions(rows)})
        data = ",".join(f"[{number},{number % 1000 / 10},null]" for number in range(LONG))
        text = '{"columns": ["n", "x", "nothing"], "data": [' + data + "]}"
        run.log({"long": RawTable(text, ncols=3, nrows=LONG, log_mode="IMMUTABLE")})
    with online("r-wide") as run:
        names = [f"c{number}" for number in range(WIDE)]
        run.log({"wide.one": steplog.Table(columns=names, data=[range(WIDE), range(1, WIDE + 1)])})
    with online("r-empty") as run:
        run.log({"loss": 1})
    run_page(server, "e2e/tables.mjs", "p", "r")
