"""How soon a table can be queried, and how fast it is: sorted, filtered, grouped, paged."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

import steplog
from bench_server import ask, server
from machine import describe, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = 100
JUMPS = 8
"""Between pages far apart until the order is whole, at most."""


def frame_of(rows: int) -> pl.DataFrame:
    """Ten columns: numbers, texts of few and of many kinds, booleans; some missing, some NaN."""
    chance = np.random.default_rng(7)
    x = chance.random(rows).round(6)
    x[::97] = np.nan
    return pl.DataFrame(
        {
            "id": np.arange(rows),
            "x": x,
            "y": chance.normal(size=rows),
            "z": chance.normal(size=rows).round(3),
            "n": chance.integers(0, 1000, rows),
            "label": np.array([f"label {number}" for number in range(10)])[
                chance.integers(0, 10, rows)
            ],
            "ok": chance.integers(0, 2, rows) == 1,
            "text": [f"a text with the number {number}" for number in chance.permutation(rows)],
            "path": [f"media/images/{number:08x}.png" for number in chance.integers(0, 1e9, rows)],
            "w": chance.random(rows),
        }
    ).with_columns(pl.when(pl.col("n") == 0).then(None).otherwise(pl.col("n")).alias("n"))


def queries(frame: pl.DataFrame) -> dict[str, tuple[dict[str, Any], list[int]]]:
    """By name: what is asked, and the ids that polars has."""
    rows = len(frame)
    number = pl.col("x").fill_nan(None)
    middle = rows // 2
    down = frame.select("id", number).sort("x", descending=True, nulls_last=True)["id"]
    by_text = frame.sort("text")["id"]
    kept = frame.filter((pl.col("y") < 0) & (pl.col("label") == "label 3"))["id"]
    found = frame.filter(pl.col("text").str.contains("99", literal=True))["id"]
    return {
        "page, at the begin": ({}, frame["id"][:PAGE].to_list()),
        "page, in the middle": ({"offset": middle}, frame["id"][middle : middle + PAGE].to_list()),
        "sort by a number": ({"sort": [{"k": "x", "dir": "desc"}]}, down[:PAGE].to_list()),
        "sort by a text": ({"sort": [{"k": "text"}]}, by_text[:PAGE].to_list()),
        "filter by number and label": (
            {"where": "y < 0 and label = 'label 3'"},
            kept[:PAGE].to_list(),
        ),
        "filter by a part of a text": ({"where": "text contains '99'"}, found[:PAGE].to_list()),
    }


class Tables:
    """A server with tables of one run each."""

    def __init__(self, url: str, key: str, folder: Path) -> None:
        self._url, self._key, self._folder = url, key, folder

    def log(self, name: str, frame: pl.DataFrame) -> None:
        """Returns when the server has all of it."""
        settings = {
            "base_url": self._url,
            "api_key": self._key,
            "quiet": True,
            "finish_timeout_secs": 300.0,
        }
        with steplog.init(
            project="bench", id=name, dir=str(self._folder), settings=settings
        ) as run:
            run.log({"table": steplog.Table(dataframe=frame)})

    def ask(self, name: str, **body: object) -> dict[str, Any]:
        path = f"{self._url}/api/v1/projects/local/bench/tables:query"
        sources = [{"run": name, "key": "table"}]
        found: dict[str, Any] = ask(path, self._key, {"sources": sources, **body})
        return found


def timed(tables: Tables, name: str, rounds: int, **body: object) -> list[float]:
    """Milliseconds. Each round filters a little differently: how many rows match is not known."""
    took = []
    for number in range(rounds):
        asked = dict(body)
        if "where" in body:
            asked["where"] = f"id != {-1 - number} and ({body['where']})"
        start = time.perf_counter()
        tables.ask(name, **asked)
        took.append((time.perf_counter() - start) * 1000)
    return took


def check_group(tables: Tables, name: str, frame: pl.DataFrame) -> dict[str, object]:
    body: dict[str, object] = {"group": ["label"], "aggs": {"y": ["mean", "max"], "n": ["count"]}}
    answer = tables.ask(name, **body)
    expected = (
        frame.group_by("label")
        .agg(pl.len(), pl.col("y").mean(), pl.col("y").max().alias("max"), pl.col("n").count())
        .sort("label")
    )
    for cells, column in zip(answer["cells"], expected.get_columns(), strict=True):
        is_number = column.dtype.is_numeric()
        assert np.allclose(cells, column) if is_number else cells == column.to_list()
    return body


def in_the_middle(
    tables: Tables, by_text: list[int], places: Sequence[int], *, way: str = "asc"
) -> list[float]:
    """Milliseconds of pages deep in the order by a text."""
    took = []
    for at in places:
        start = time.perf_counter()
        found = tables.ask("large", sort=[{"k": "text", "dir": way}], offset=at, limit=PAGE)
        took.append((time.perf_counter() - start) * 1000)
        assert found["cells"][0] == by_text[at : at + PAGE]
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    print(describe("polars", "chdb-core-lite"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with server(folder) as (url, key):
            tables = Tables(url, key, folder)
            small, large = frame_of(100_000), frame_of(arguments.rows)
            start = time.perf_counter()
            tables.log("small", small)
            there = time.perf_counter()
            assert tables.ask("small", limit=0)["matched"] == len(small)
            done = time.perf_counter()
            print(
                f"100,000 x 10: {done - start:.2f} s from `log` until it is queried, "
                f"{done - there:.2f} s of these to make it ready"
            )
            tables.log("large", large)
            there = time.perf_counter()
            assert tables.ask("large", limit=0)["matched"] == len(large)
            print(f"{len(large):,} x 10: {time.perf_counter() - there:.2f} s to make it ready")
            for what, (body, expected) in queries(large).items():
                found = tables.ask("large", limit=PAGE, **body)
                assert found["cells"][0] == expected, what
                took = timed(tables, "large", arguments.rounds, limit=PAGE, **body)
                print(spread(what, took, "ms"))
            body = check_group(tables, "large", large)
            took = timed(tables, "large", arguments.rounds, **body)
            print(spread("group by a label", took, "ms"))
            by_text = large.sort("text")["id"].to_list()
            middle, far = len(large) // 2, len(large) // (arguments.rounds + 1)
            [took] = in_the_middle(tables, by_text, [middle])
            print(f"sorted by text, first page in the middle: {took:.0f} ms")
            near = [middle + number * PAGE for number in range(1, arguments.rounds)]
            print(spread("… pages after it", in_the_middle(tables, by_text, near), "ms"))
            # Of an order of its own: after the second it is made whole beside those that follow.
            jumps = [far * number for number in range(1, arguments.rounds + 1)]
            took = in_the_middle(tables, by_text[::-1], jumps, way="desc")
            firsts = ", ".join(f"{one:.0f}" for one in took[:JUMPS])
            print(f"… pages far apart: the first {firsts} ms")
            print(spread("… further ones", took[JUMPS:], "ms"))
            start = time.perf_counter()
            tables.ask("large", limit=0, stats=True)
            print(f"statistics of all columns: {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main()
