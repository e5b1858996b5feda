"""Images and the like over the steps of runs: where there are some, and what they are."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import numpy as np
import pytest
from tests.e2e.test_blobs import Writer

import steplog

PATH = "/projects/local/p/media"
RANDOM = np.random.default_rng(3)


def index_of(server, *runs, keys=None, **asked):
    body = {"runs": {"ids": list(runs)}, "keys": keys, **asked}
    return server.get(f"{PATH}:index", body)["series"]


def items_of(server, *runs, keys=None, **asked):
    return server.get(f"{PATH}:items", {"runs": {"ids": list(runs)}, "keys": keys, **asked})[
        "items"
    ]


def refused(server, which, **asked):
    status, _, body = server.ask(f"/api/v1{PATH}:{which}", {"runs": {"ids": ["r"]}, **asked})
    assert status == 400
    return json.loads(body)["field"]


def pixels(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def content_of(server, item):
    assert item["state"] == "stored"
    status, headers, body = server.ask(f"/api/v1/blobs/{item['sha256']}")
    assert status == 200
    assert (hashlib.sha256(body).hexdigest(), len(body)) == (item["sha256"], item["size"])
    return headers["Content-Type"], body


def test_the_index_has_every_step_of_every_key_with_objects(server, online):
    with online("r") as run:
        for step in range(6):
            row = {"loss": step / 2, "vector": [1, 2, 3]}
            if step % 2:
                row["one"] = steplog.Image(pixels(step, 5, 4, 3))
            if step > 2:
                row["many"] = [steplog.Image(pixels(9, 5, 4))] * step
            run.log(row)
        run.log({"deep": {"x.y": steplog.Histogram([1, 2]), "z": {"page": steplog.Html("<p>")}}})
        run.log({"one": steplog.Html("<b>")})
    assert index_of(server, "r") == [
        {"run": "r", "label": "", **one}
        for one in (
            {"key": r"deep.x\.y", "kind": "histogram", "steps": [6], "counts": [1]},
            {"key": "deep.z.page", "kind": "html-file", "steps": [6], "counts": [1]},
            {"key": "many", "kind": "images/separated", "steps": [3, 4, 5], "counts": [3, 4, 5]},
            {"key": "one", "kind": "html-file", "steps": [1, 3, 5, 7], "counts": [1] * 4},
        )
    ]
    (one,) = index_of(server, "r", keys=["one", "loss", "none"], range=[1.5, 5])
    assert (one["kind"], one["steps"]) == ("image-file", [3, 5])
    found = index_of(server, "none", "r", keys=["one", "many"])
    assert [one["key"] for one in found] == ["one", "many"]
    assert index_of(server, "r", keys=[]) == index_of(server, "none") == []


def test_every_item_of_a_list_comes_with_its_file_and_what_is_said_of_it(server, online):
    mask, box = (
        RANDOM.integers(0, 3, (5, 4)),
        {"position": {"middle": [1, 1], "width": 1, "height": 1}},
    )
    with online("r") as run:
        run.log(
            {
                "list": [
                    steplog.Image(
                        pixels(1, 5, 4, 3), caption="a", boxes={"b": {"box_data": [box]}}
                    ),
                    steplog.Image(pixels(2, 700, 600, 3)),
                    steplog.Image(
                        pixels(3, 5, 4, 3),
                        masks={"m": {"mask_data": mask, "class_labels": {1: "road"}}},
                    ),
                ],
                "one": steplog.Image(pixels(4, 7, 6), caption="é", grouping=2),
            }
        )
    first, second, third, one = items_of(server, "r", at={"x": "step", "value": 0})
    for number, item in enumerate((first, second, third)):
        assert (item["key"], item["step"], item["label"]) == ("list", 0, "")
        assert (item["index"], item["count"], item["kind"]) == (number, 3, "image-file")
        assert (item["format"], item["mime"], item["value"]) == ("png", "image/png", None)
        assert content_of(server, item)[0] == "image/png"
    assert [item["caption"] for item in (first, second, third)] == ["a", None, None]
    assert (first["masks"], third["boxes"]) == ({}, {})
    stored = json.loads(content_of(server, first["boxes"]["b"])[1])
    assert stored["box_data"][0]["position"] == box["position"]
    assert content_of(server, third["masks"]["m"])[0] == "image/png"
    assert "1" in third["masks"]["m"]["class_labels"]
    assert (one["caption"], one["grouping"], one["width"], one["height"]) == ("é", 2, 6, 7)
    assert one["value"]["_type"] == "image-file"
    body = {"keys": ["list"], "steps": [0], "offset": 1, "limit": 1}
    assert items_of(server, "r", **body) == [second]
    assert items_of(server, "r", **{**body, "offset": 3}) == []


OF_FILE = {"sha256": "0" * 64, "size": 5}
FORMS: dict[str, Any] = {
    "videos": (
        {
            "count": 2,
            "videos": [
                {"_type": "video-file", "path": f"media/videos/{name}", "width": 8, "height": 6}
                for name in ("a.mp4", "b.gif")
            ],
            "captions": False,
        },
        [("video-file", "media/videos/a.mp4", None), ("video-file", "media/videos/b.gif", None)],
    ),
    "audio": (
        {
            "count": 2,
            "audio": [{"_type": "audio-file", "path": f"media/audio/{name}.wav"} for name in "ab"],
            "sampleRates": [8000, 8000],
            "durations": [0.5, 2.0],
            "captions": ["x", ""],
        },
        [("audio-file", "media/audio/a.wav", "x"), ("audio-file", "media/audio/b.wav", None)],
    ),
    "html": (
        {"count": 1, "html": [{"_type": "html-file", "path": "media/html/a.html"}]},
        [("html-file", "media/html/a.html", None)],
    ),
    "object3D": (
        {
            "filenames": ["a.pts.json"],
            "count": 1,
            "objects": [
                {"_type": "object3D-file", "path": "media/object3D/a.pts.json", "caption": "o"}
            ],
        },
        [("object3D-file", "media/object3D/a.pts.json", "o")],
    ),
    "molecule": (
        {
            "filenames": [f"media/molecule/{'long' * 60}{name}.pdb" for name in "ab"],
            "count": 2,
            "captions": ["m", None],
        },
        [
            ("molecule-file", f"media/molecule/{'long' * 60}a.pdb", "m"),
            ("molecule-file", f"media/molecule/{'long' * 60}b.pdb", None),
        ],
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_lists_of_the_other_forms_are_read_too(server, online, form):
    value, expected = FORMS[form]
    with online("r") as run:
        run.log({"k": {"_type": form, **value}})
    (found,) = index_of(server, "r")
    assert (found["kind"], found["counts"]) == (form, [len(expected)])
    items = items_of(server, "r", steps=[0])
    assert [(item["kind"], item["path"], item["caption"] or None) for item in items] == expected
    assert [item["index"] for item in items] == list(range(len(expected)))
    assert {item["state"] for item in items} == {"missing"}
    if form == "audio":
        assert [item["duration"] for item in items] == [0.5, 2.0]


def test_a_plain_list_shows_its_objects_and_only_these(server, online):
    histogram = {"_type": "histogram", "values": [1, math.nan], "bins": [0, 1, 2]}
    with online("r") as run:
        run.log({"k": [None, steplog.Html("<p>"), 3, histogram, [histogram]], "n": [[histogram]]})
        run.log({"k": ["no", "object", "_type"]})
        run.log({"k": [histogram] * 300})
    (found,) = index_of(server, "r")
    assert (found["key"], found["kind"]) == ("k", "histogram")
    assert (found["steps"], found["counts"]) == ([0, 2], [2, 300])
    page, inline = items_of(server, "r", keys=["k"], steps=[0])
    assert (page["kind"], page["index"], page["count"]) == ("html-file", 0, 2)
    assert content_of(server, page)[0] == "text/plain; charset=utf-8"
    assert (inline["kind"], inline["state"], inline["sha256"]) == ("histogram", None, None)
    assert inline["value"] == {**histogram, "values": [1, "NaN"]}


def test_a_step_is_matched_as_it_is_asked_for(server, online):
    for run, steps in (("a", (2, 10)), ("b", (5,))):
        with online(run) as writing:
            for step in range(12):
                writing.log({"x": step, **({"k": steplog.Html("<p>")} if step in steps else {})})
    cases: dict[str, dict[int, list[tuple[str, int]]]] = {
        "exact": {5: [("b", 5)], 2: [("a", 2)], 3: []},
        "prev": {1: [], 2: [("a", 2)], 6: [("a", 2), ("b", 5)], 99: [("a", 10), ("b", 5)]},
        "next": {0: [("a", 2), ("b", 5)], 3: [("a", 10), ("b", 5)], 6: [("a", 10)], 11: []},
        "nearest": {0: [("a", 2), ("b", 5)], 6: [("a", 2), ("b", 5)], 7: [("a", 10), ("b", 5)]},
    }
    for match, expectations in cases.items():
        for value, expected in expectations.items():
            items = items_of(server, "a", "b", at={"x": "step", "value": value, "match": match})
            assert [(item["run"], item["step"]) for item in items] == expected, (match, value)
    found = items_of(server, "b", "a", steps=[10, 5, 7, 2])
    assert [(item["run"], item["step"]) for item in found] == [("b", 5), ("a", 2), ("a", 10)]


def test_a_file_that_has_not_come_is_wanted_and_one_that_is_named_twice_is_the_latest(server):
    writer, large = Writer(server), RANDOM.bytes(2_000_000)
    one = {"_type": "html-file", "path": "media/html/a.html", "sha256": "1" * 64, "size": 9}
    lost = {**one, "path": "media/html/none.html"}
    writer.name_blob(one["path"], large)
    writer.say([2, 0, 1, True, {}])
    writer.records.append((writer.records[-1][0] + 8, [2, 0, 1, 1, True, {"k": one, "l": lost}]))
    writer.say()
    wanted, missing = items_of(server, "r", steps=[0])
    sha256 = hashlib.sha256(large).hexdigest()
    assert (wanted["state"], wanted["sha256"], wanted["size"]) == ("wanted", sha256, len(large))
    assert (missing["state"], missing["sha256"], missing["size"]) == ("missing", "1" * 64, 9)
    writer.upload(large)
    assert content_of(server, items_of(server, "r", keys=["k"], steps=[0])[0])[1] == large
    writer.say([9, one["path"], b"<p>small"])
    assert content_of(server, items_of(server, "r", keys=["k"], steps=[0])[0])[1] == b"<p>small"


def test_a_step_that_is_written_again_has_its_last_value(server, online):
    with online("r", settings={"late_steps": "merge"}) as run:
        for step in range(4):
            run.log({"k": steplog.Html(f"<p>{step}")}, step=step)
        run.flush()  # they are encoded meanwhile, and would come behind what is logged now
        run.log({"k": 5}, step=1)
        run.log({"k": [steplog.Html("<p>later")]}, step=2)
    (found,) = index_of(server, "r")
    assert (found["steps"], found["counts"]) == ([0, 2, 3], [1, 1, 1])
    (item,) = items_of(server, "r", steps=[2])
    assert content_of(server, item)[1].endswith(b"<p>later")


def test_a_fork_shows_what_it_took_over_and_its_files(server, online):
    with online("r") as run:
        for step in range(4):
            run.log({"k": steplog.Html(f"<p>{step}")})
    with online("f", fork_from="r?_step=1") as run:
        run.log({"k": steplog.Html("<p>fork")})
    (found,) = index_of(server, "f")
    assert found["steps"] == [0, 1, 2]
    items = items_of(server, "f", steps=[1, 2])
    assert [content_of(server, item)[1][-4:] for item in items] == [b"<p>1", b"fork"]


def test_a_list_of_ten_thousand_images_is_paged(server, online):
    names = [f"media/images/{number:05}.png" for number in range(10_000)]
    form = {"_type": "images/separated", "width": 1, "height": 1, "format": "png"}
    with online("r") as run:
        run.log({"k": {**form, "count": len(names), "filenames": names}})
        run.log({"k": {**form, "count": len(names), "filenames": names}})
    (found,) = index_of(server, "r")
    assert found["counts"] == [10_000, 10_000]
    items = items_of(server, "r", at={"value": 1}, offset=9_990, limit=100)
    assert [item["path"] for item in items] == names[9_990:]
    assert {item["count"] for item in items} == {10_000}
    answer = server.get(f"{PATH}:items", {"runs": {"ids": ["r"]}, "steps": [0, 1], "limit": 6000})
    assert len(answer["items"]) == 10_000
    assert answer["truncated"] == {"shown": 10_000, "total": 12_000, "reason": "items"}


def test_more_than_is_read_at_once_is_refused_and_less_is_not(server, online):
    with online("r") as run:
        for _ in range(70):
            run.log({"page": {"_type": "html-file", "path": "x.html", "said": "x" * 1_000_000}})
    asked = {"runs": {"ids": ["r"]}, "keys": ["page"], "steps": [*range(70)]}
    status, _, body = server.ask(f"/api/v1{PATH}:items", asked)
    assert (status, json.loads(body)["code"]) == (413, "too_large")
    assert "more than 64 MiB" in json.loads(body)["detail"]
    found = items_of(server, "r", keys=["page"], steps=[3, 68])
    assert [item["step"] for item in found] == [3, 68]
    assert all(len(item["value"]["said"]) == 1_000_000 for item in found)


def test_what_cannot_be_asked_for_is_named(server, online):
    with online("r") as run:
        run.log({"k": steplog.Html("<p>")})
    assert refused(server, "index", runs={"ids": "r"}) == "runs"
    assert refused(server, "index", keys="k") == "keys"
    assert refused(server, "index", range=[3, 1]) == "range"
    assert refused(server, "items") == "at"
    assert refused(server, "items", at={"value": 1}, steps=[1]) == "at"
    assert refused(server, "items", at=3) == "at"
    assert refused(server, "items", at={"value": -1}) == "value"
    assert refused(server, "items", at={"x": "step"}) == "value"
    assert refused(server, "items", at={"value": 1, "match": ["exact"]}) == "match"
    assert refused(server, "items", at={"value": 1, "x": "wall"}) == "x"
    assert refused(server, "items", steps=[1.5]) == "steps"
    assert refused(server, "items", steps=[]) == "steps"
    assert refused(server, "items", steps=[1], limit=0) == "limit"
    assert refused(server, "items", steps=[1], offset=-1) == "offset"
    for which in ("index", "items"):
        path = f"/api/v1/projects/local/..%2f/media:{which}"
        assert server.ask(path, {"runs": {"ids": []}})[0] in {400, 404}
