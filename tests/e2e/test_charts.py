"""`series:query` against a brute-force oracle that reads the rows: every bucket, every column."""

from __future__ import annotations

import functools
import math
import operator
import random

import pytest

ODD = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1e300, True, 2**53 + 1]
FLAGS = {"nan": 1, "inf": 2, "-inf": 4}


def ask(server, runs, keys, **panel):
    body = {"id": "1", "series": [{"metric": key} for key in keys], "runs": {"ids": runs}, **panel}
    (drawn,) = server.get("/projects/local/p/series:query", {"panels": [body]})["panels"]
    return drawn


def bucket(points):
    """What a bucket must say of its (step, value) pairs, which are in order."""
    finite = [(step, float(y)) for step, y in points if math.isfinite(y)]
    flags = sum(FLAGS[odd] for odd in {repr(float(y)) for _, y in points} & set(FLAGS))
    if not finite:
        return {"n": 0, "fl": flags}
    ys = [y for _, y in finite]
    return {
        "n": len(ys),
        "fl": flags,
        "first": ys[0],
        "last": ys[-1],
        "min": min(ys),
        "max": max(ys),
        "mean": math.fsum(ys) / len(ys),
    }


def buckets_of(drawn, steps, *, beside=False):
    """The numbers of the buckets that an answer must have for points at these steps."""
    all_buckets = {step // drawn["dx"] - drawn["x0"] // drawn["dx"] for step in steps}
    inside = {b for b in all_buckets if 0 <= b < drawn["nb"]}
    if beside:
        inside |= set(sorted(b for b in all_buckets if b < 0)[-1:])
        inside |= set(sorted(b for b in all_buckets if b >= drawn["nb"])[:1])
    return inside


def check_buckets(drawn, number, points, *, beside=False):
    columns = drawn["columns"]
    rows = [at for at, series in enumerate(columns["s"]) if series == number]
    width, first = drawn["dx"], drawn["x0"] // drawn["dx"]
    shown = buckets_of(drawn, [step for step, _ in points], beside=beside)
    expected: dict[int, list[tuple[int, float]]] = {}
    for step, y in points:
        if step // width - first in shown:
            expected.setdefault(step // width - first, []).append((step, y))
    assert [columns["b"][at] for at in rows] == sorted(expected)
    for at in rows:
        for name, wanted in bucket(expected[columns["b"][at]]).items():
            close = pytest.approx(wanted, rel=1e-9, abs=1e-9) if name == "mean" else wanted
            assert columns[name][at] == close, (name, columns["b"][at])


def check_raw(drawn, number, points):
    columns = drawn["columns"]
    rows = [at for at, series in enumerate(columns["s"]) if series == number]
    inside = [(step, float(y)) for step, y in points]
    assert [columns["x"][at] for at in rows] == [float(step) for step, _ in inside]
    shown = [float(columns["y"][at]) if columns["y"][at] is not None else math.nan for at in rows]
    assert [repr(y) for y in shown] == [repr(y) for _, y in inside]


@pytest.mark.parametrize("seed", range(3))
def test_every_answer_equals_the_rows(server, online, seed):
    chance = random.Random(seed)
    for name in ("one", "two"):
        with online(name) as run:
            step = 0
            for _ in range(12_000):
                step += chance.choice([0, 1, 1, 1, 2, 40])  # 0: written again, so a patch
                values = {"a": chance.gauss(0, 1), "b": chance.uniform(-5, 5)}
                kept = {key: y for key, y in values.items() if chance.random() < 0.9}
                if name == "two" and chance.random() < 0.01:
                    kept["a"] = chance.choice(ODD)
                run.log(kept, step=step)
    rows = {name: server.rows(name) for name in ("one", "two")}
    most = max(row["_step"] for found in rows.values() for row in found)
    modes = set()
    for _ in range(20):
        lo, hi = sorted(chance.sample(range(-100, most + 100), 2))
        if chance.random() < 0.3:
            hi = lo + chance.randrange(200)
        whole, beside = chance.random() < 0.2, chance.random() < 0.5
        drawn = ask(
            server,
            ["one", "two"],
            ["a", "b"],
            px=chance.choice([100, 700]),
            range=None if whole else [lo, hi],
            beside=beside,
        )
        modes.add(drawn["mode"])
        for series in drawn["series"]:
            key = series["metric"]
            points = [(row["_step"], row[key]) for row in rows[series["run"]] if key in row]
            assert series["n"] == len(points)
            assert series["nan"] == sum(math.isnan(y) for _, y in points)
            ys = [float(y) for _, y in points if math.isfinite(y)]
            assert series["y"] == [min(ys), max(ys)]
            if drawn["mode"] == "raw":
                inside = [(step, y) for step, y in points if whole or lo <= step <= hi]
                before = [point for point in points if point[0] < lo][-1:]
                behind = [point for point in points if point[0] > hi][:1]
                is_more = beside and not whole
                shown = [*before, *inside, *behind] if is_more else inside
                check_raw(drawn, series["i"], shown)
            else:
                check_buckets(drawn, series["i"], points, beside=beside and not whole)
    assert modes == {"raw", "bucket"}


def test_steps_beyond_what_a_float_holds_are_in_their_buckets(server, online):
    start = 2**60 + 1
    with online("far") as run:
        for number in range(5_000):
            run.log({"a": number / 7}, step=start + number * 3)
    drawn = ask(server, ["far"], ["a"], px=100)
    assert drawn["mode"] == "bucket"
    check_buckets(drawn, 0, [(start + number * 3, number / 7) for number in range(5_000)])


@pytest.mark.parametrize("x", ["wall", "relative"])
def test_time_hides_nothing_either(server, online, x):
    values = [math.sin(number) for number in range(20_000)]
    with online("r") as run:
        for y in values:
            run.log({"a": y})
    drawn = ask(server, ["r"], ["a"], px=5, x=x)
    columns = drawn["columns"]
    assert drawn["unit"] == "ms"
    assert drawn["mode"] == "bucket"
    assert sum(columns["n"]) == len(values)
    assert (min(columns["min"]), max(columns["max"])) == (min(values), max(values))
    assert (columns["first"][0], columns["last"][-1]) == (values[0], values[-1])
    total = sum(mean * n for mean, n in zip(columns["mean"], columns["n"], strict=True))
    assert total == pytest.approx(math.fsum(values), abs=1e-6)
    age = (
        drawn["x0"] / 1000
        if x == "wall"
        else drawn["x0"] / 1000 + server.rows("r")[0]["_timestamp"]
    )
    assert age == pytest.approx(server.rows("r")[0]["_timestamp"], abs=5)


GROUP = {"by": ["run"], "center": "mean", "band": "minmax"}


def mean(values):
    return math.fsum(values) / len(values)


@pytest.mark.parametrize("seed", range(2))
def test_the_labels_of_a_run_are_drawn_as_mean_and_range(server, online, seed):
    chance = random.Random(seed)
    for label in ("a", "b", "c"):
        with online("ranks", settings={"label": label}) as run:
            for step in range(0, 6_000, 2):
                if chance.random() < 0.8:
                    odd = chance.random() < 0.002
                    run.log({"y": chance.choice(ODD) if odd else chance.gauss(0, 1)}, step=step)
    rows = server.rows("ranks")
    for _ in range(8):
        lo, hi = sorted(chance.sample(range(6_000), 2))
        beside = chance.random() < 0.5
        drawn = ask(server, ["ranks"], ["y"], px=50, range=[lo, hi], group=GROUP, beside=beside)
        (series,) = drawn["series"]
        assert (drawn["mode"], series["labels"], series["n"]) == ("group", 3, len(rows))
        width, first, columns = drawn["dx"], drawn["x0"] // drawn["dx"], drawn["columns"]
        found: dict[int, dict[str, list[tuple[int, float]]]] = {}
        shown = buckets_of(drawn, [row["_step"] for row in rows if "y" in row], beside=beside)
        for row in rows:
            if "y" in row and row["_step"] // width - first in shown:
                labels = found.setdefault(row["_step"] // width - first, {})
                labels.setdefault(row["_label"], []).append((row["_step"], row["y"]))
        assert columns["b"] == sorted(found)
        for at, number in enumerate(columns["b"]):
            parts = [bucket(points) for points in found[number].values()]
            filled = [part for part in parts if part["n"]]
            steps = [step for points in found[number].values() for step, _ in points]
            is_one = min(steps) == max(steps)
            place = min(steps) if is_one else pytest.approx(mean(steps), abs=1e-9)
            assert columns["x"][at] == place
            assert columns["gn"][at] == len(filled)
            assert columns["fl"][at] == functools.reduce(
                operator.or_, [part["fl"] for part in parts]
            )
            if filled:
                assert columns["glo"][at] == min(part["min"] for part in filled)
                assert columns["ghi"][at] == max(part["max"] for part in filled)
                middle = mean([part["mean"] for part in filled])
                assert columns["gcenter"][at] == pytest.approx(middle, rel=1e-9, abs=1e-9)


def test_a_group_of_one_label_is_that_series(server, online):
    with online("r") as run:
        for step in range(100):
            run.log({"y": math.sin(step)})
    columns = ask(server, ["r"], ["y"], group={"by": ["run"]})["columns"]
    assert columns["x"] == list(range(100))
    assert columns["gcenter"] == columns["glo"] == columns["ghi"]
    assert columns["gcenter"] == [math.sin(step) for step in range(100)]


async def test_the_last_bucket_of_a_running_run_is_partial(server, online):
    async with online("r") as run:
        for step in range(3_000):
            await run.alog({"a": step}, ack="server" if step == 2_999 else "log")
        whole, left = (
            ask(server, ["r"], ["a"], px=50),
            ask(server, ["r"], ["a"], px=50, range=[0, 900]),
        )
        assert whole["warmup"] == 0
        flags = whole["columns"]["fl"]
        assert flags == [0] * (len(flags) - 1) + [16]
        assert set(left["columns"]["fl"]) == {0}
    assert set(ask(server, ["r"], ["a"], px=50)["columns"]["fl"]) == {0}


def test_late_steps_are_merged_into_rows_of_any_age(server, online):
    chance = random.Random(3)
    expected: dict[int, dict[str, float]] = {}
    with online("late", settings={"late_steps": "merge"}) as run:
        for step in range(3_000):
            row = {"a": float(step), "b": -float(step)}
            expected[step] = row
            run.log(row)
            if chance.random() < 0.2:
                at, late = chance.randrange(step + 1), {"a": chance.random(), "eval": float(step)}
                expected[at] = expected[at] | late
                run.log(late, step=at)
            if step % 1_000 == 999:
                run.flush()
        assert run.step == 3_000
        latest = expected[max(step for step, row in expected.items() if "eval" in row)]["eval"]
        assert (run.summary["a"], run.summary["eval"]) == (expected[2_999]["a"], latest)
    rows = server.rows("late")
    assert [
        {key: value for key, value in row.items() if key in {"a", "b", "eval"}} for row in rows
    ] == [expected[step] for step in range(3_000)]
    drawn = ask(server, ["late"], ["a"], px=100)
    check_buckets(drawn, 0, [(step, row["a"]) for step, row in expected.items()])


def test_a_zoom_between_two_points_has_those_that_its_lines_join(server, online):
    """Also of a group, and of a sparse series next to a dense one, which makes buckets of both."""
    for label in ("a", "b"):
        with online("r", settings={"label": label}) as run:
            for step in range(0, 90_000, 30_000):
                run.log({"sparse": step}, step=step)
    with online("dense") as run:
        for step in range(40_000, 50_000):
            run.log({"sparse": 1}, step=step)
    asked = {"range": [31_000, 59_000], "px": 100, "beside": True}
    (group,) = [ask(server, ["r"], ["sparse"], group=GROUP, **asked)["columns"]]
    assert group["x"] == [30_000, 60_000]
    assert group["gcenter"] == [30_000, 60_000]
    drawn = ask(server, ["r", "dense"], ["sparse"], **asked)
    assert drawn["mode"] == "bucket"
    numbers = [one["i"] for one in drawn["series"] if one["run"] == "r"]
    for number in numbers:
        check_buckets(
            drawn, number, [(step, step) for step in range(0, 90_000, 30_000)], beside=True
        )


def test_a_mean_of_the_greatest_numbers_is_one_of_them(server, online):
    greatest = 1.7976931348623157e308
    with online("r") as run:
        for step in range(3_000):
            run.log({"y": greatest if step % 2 else greatest / 2}, step=step)
    for group, mean_of in ((None, "mean"), (GROUP, "gcenter")):
        drawn = ask(server, ["r"], ["y"], px=10, **({"group": group} if group else {}))
        means = drawn["columns"][mean_of]
        assert means == pytest.approx([0.75 * greatest] * len(means), rel=0.05)
