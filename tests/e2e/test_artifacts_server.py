"""Artifacts at a real server: versions, aliases, links, parts, lineage."""

from __future__ import annotations

import concurrent.futures
import json
import time
import urllib.parse

import pytest
from tests.e2e.artifact_logs import (
    Log,
    ask,
    by_id,
    change,
    deep,
    delete,
    delete_run,
    digest_of,
    get,
    hash_of,
    manifest_of,
    md5_of,
    metadata,
    names_of,
    new_id,
    refused,
    settled,
    versions,
    whose,
)


def test_a_logged_artifact_is_a_version_with_all_that_it_holds(server):
    log = Log(server)
    contents = {"b/two.bin": b"two" * 1000, "a.txt": b"one"}
    before = time.time()
    key = log.log(
        "data",
        contents,
        description="of it",
        metadata={"n": 3, "x": float("nan")},
        aliases=["best", "latest"],
        tags=["t"],
    )
    found = settled(server, key)
    assert found["state"] == "committed", found
    assert found["created"] >= before - 1
    assert found == {
        "id": key,
        "entity": "local",
        "project": "p",
        "name": "data",
        "type": "dataset",
        "version": "v0",
        "aliases": ["best", "latest"],
        "tags": ["t"],
        "digest": digest_of(manifest_of(contents)),
        "size": 3003,
        "count": 2,
        "description": "of it",
        "metadata": {"n": 3, "x": "NaN"},
        "created": found["created"],
        "state": "committed",
        "reason": "",
        "source": None,
        "run": {"entity": "local", "project": "p", "run": "r", "name": "r"},
        "manifest": hash_of(manifest_of(contents)),
        "logged_by": [{"entity": "local", "project": "p", "run": "r", "name": "r"}],
        "used_by": [],
    }
    for ref in ("v0", "latest", "best", key):
        assert get(server, f"/data/{ref}") == found
    entries = get(server, "/data/latest/entries")
    assert entries == {
        "entries": [
            {
                "path": path,
                "size": len(contents[path]),
                "sha256": hash_of(contents[path]),
                "digest": md5_of(contents[path]),
                "ref": None,
                "extra": None,
            }
            for path in sorted(contents)
        ],
        "next": None,
    }
    for content in (*contents.values(), manifest_of(contents)):
        status, _, data = server.ask(f"/api/v1/blobs/{hash_of(content)}")
        assert (status, data) == (200, content)
    (listed,) = get(server, "")["collections"]
    assert (listed["name"], listed["type"], listed["versions"]) == ("data", "dataset", 1)
    assert listed["latest"]["version"] == "v0"
    assert server.get("/projects/local/p/runs/r/files")["files"] == []
    whose = server.get("/projects/local/p/runs/r/artifacts")
    assert [one["id"] for one in whose["logged"]] == [key]
    assert (whose["used"], whose["undone"]) == ([], [])


def test_equal_digests_are_one_version_and_latest_moves_with_each_log(server):
    first, second = Log(server, "r1"), Log(server, "r2")
    keys = [
        first.log("data", {"a": b"1"}, aliases=["best", "latest"], description="first"),
        first.log("data", {"a": b"2"}),
    ]
    for key in keys:
        settled(server, key)
    assert names_of(server, "data") == [("v1", ["latest"]), ("v0", ["best"])]
    again = second.log(
        "data", {"a": b"1"}, aliases=["again", "best", "latest"], description="second"
    )
    found = settled(server, again)
    assert (found["id"], found["version"]) == (keys[0], "v0")
    assert found["description"] == "first"
    assert [run["run"] for run in found["logged_by"]] == ["r1", "r2"]
    assert names_of(server, "data") == [("v1", []), ("v0", ["again", "best", "latest"])]
    # Its id is a name of the version, wherever one may stand.
    assert get(server, f"/data/{again}") == get(server, "/data/v0") == found
    assert [one["id"] for one in whose(server, "r2")["logged"]] == [keys[0]]
    third = settled(server, second.log("data", {"a": b"3"}))
    assert third["version"] == "v2"
    # The same digest under another name is another artifact.
    other = settled(server, second.log("other", {"a": b"1"}))
    assert (other["name"], other["version"]) == ("other", "v0")
    collections = get(server, "")["collections"]
    assert [(one["name"], one["versions"]) for one in collections] == [("data", 3), ("other", 1)]


def test_words_of_a_version_are_changed(server):
    versions(server, 2)
    said = {"description": "new", "metadata": {"k": [1, 2.5]}, "tags": ["t", "u", "t"]}
    found = change(server, "/data/v0", {**said, "aliases": ["best", "good"]})
    assert found == get(server, "/data/v0")
    assert {**found, "tags": found["tags"]} == {**found, **said, "tags": ["t", "u"]}
    assert found["aliases"] == ["best", "good"]
    # An alias points to one version: it moves.
    found = change(server, "/data/latest", {"aliases_add": ["good"], "tags_add": ["x"]})
    assert (found["version"], found["aliases"]) == ("v1", ["good", "latest"])
    assert get(server, "/data/v0")["aliases"] == ["best"]
    found = change(
        server,
        "/data/best",
        {"aliases_remove": ["best"], "tags_remove": ["t"], "tags_add": ["w"]},
    )
    assert (found["version"], found["aliases"], found["tags"]) == ("v0", [], ["u", "w"])
    assert refused(ask(server, "/data/best")) == (404, "not_found", None)
    # What is not said stays.
    assert (found["description"], found["metadata"]) == ("new", {"k": [1, 2.5]})


WRONG = [
    ("/data/v0", {"description": 3}, "description"),
    ("/data/v0", {"description": "x" * (1 << 20) + "x"}, "description"),
    ("/data/v0", {"metadata": [1]}, "metadata"),
    ("/data/v0", {"metadata": {str(n): n for n in range(101)}}, "metadata"),
    ("/data/v0", {"metadata": {"k": "x" * (1 << 20)}}, "metadata"),
    ("/data/v0", {"aliases": ["v7"]}, "aliases"),
    ("/data/v0", {"aliases_add": ["a/b"]}, "aliases_add"),
    ("/data/v0", {"aliases_add": ["a:b"]}, "aliases_add"),
    ("/data/v0", {"aliases_remove": [""]}, "aliases_remove"),
    ("/data/v0", {"aliases": [f"a{n}" for n in range(101)]}, "aliases"),
    ("/data/v0", {"aliases": "best"}, "aliases"),
    ("/data/v0", {"tags": ["x" * 65]}, "tags"),
    ("/data/v0", {"tags_add": [1]}, "tags_add"),
    ("/data/v0", {"name": "other"}, "name"),
    ("/data", {"name": "a/b"}, "name"),
    ("/data", {"name": "x" * 129}, "name"),
    ("/data", {"type": ""}, "type"),
    ("/data", {"tags": [""]}, "tags"),
    ("/data", {"digest": "x"}, "digest"),
]


@pytest.fixture(scope="module")
def held(running_server, tmp_path_factory):
    """A server with one version."""
    with running_server(tmp_path_factory.mktemp("held")) as server:
        versions(server, 1)
        yield server


@pytest.mark.parametrize("case", WRONG)
def test_a_change_that_cannot_be_names_its_field(held, case):
    path, body, field = case
    before = get(held, "/data/v0")
    assert refused(ask(held, path, body, method="PATCH")) == (400, "invalid", field)
    assert get(held, "/data/v0") == before


def test_nested_metadata_has_a_bound(held):
    assert ask(held, "/data/v0", {"metadata": deep(64)}, method="PATCH")[0] == 200
    answer = ask(held, "/data/v0", {"metadata": deep(66)}, method="PATCH")
    assert refused(answer) == (400, "invalid", "metadata")


ASKED_WRONG = [
    ("?type=x", 200, None),
    ("/none", 404, None),
    ("/a%20b", 400, "name"),
    ("/data?limit=0", 400, "limit"),
    ("/data?cursor=x", 400, "cursor"),
    ("/data/v1", 404, None),
    ("/data/v01", 404, None),
    ("/data/none", 404, None),
    ("/data/" + "0" * 32, 404, None),
    ("/data/v0/entries?limit=10001", 400, "limit"),
    ("/data/v0/lineage?depth=0", 400, "depth"),
    ("/data/v0/lineage?depth=21", 400, "depth"),
]


@pytest.mark.parametrize("case", ASKED_WRONG)
def test_what_is_asked_wrongly_is_refused(held, case):
    path, status, field = case
    found, _, data = ask(held, path)
    assert (found, json.loads(data).get("field")) == (status, field)


def test_unknown_and_malformed_ids_are_told_apart(held):
    assert refused(held.ask(f"/api/v1/artifacts/{'0' * 32}")) == (404, "not_found", None)
    assert refused(held.ask("/api/v1/artifacts/x")) == (400, "invalid", "id")


def test_versions_and_entries_come_by_pages(server):
    _, keys = versions(server, 5)
    page = get(server, "/data?limit=2")
    assert [one["version"] for one in page["list"]] == ["v4", "v3"]
    page = get(server, f"/data?limit=2&cursor={page['next']}")
    assert [one["version"] for one in page["list"]] == ["v2", "v1"]
    page = get(server, f"/data?limit=2&cursor={page['next']}")
    assert ([one["id"] for one in page["list"]], page["next"]) == ([keys[0]], None)
    contents = {f"{folder}/{n}": b"%d" % n for folder in ("a", "ä", "b") for n in range(3)}
    log = Log(server, "other")
    assert settled(server, log.log("many", contents))["count"] == 9
    found: list[str] = []
    cursor = ""
    while True:
        page = get(server, f"/many/v0/entries?limit=4{cursor}")
        found += [one["path"] for one in page["entries"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={urllib.parse.quote(page['next'])}"
    assert found == sorted(contents)
    page = get(server, f"/many/v0/entries?prefix={urllib.parse.quote('ä/')}")
    assert [one["path"] for one in page["entries"]] == ["ä/0", "ä/1", "ä/2"]


def test_a_name_has_one_type(server):
    log = Log(server)
    settled(server, log.log("data", {"a": b"1"}))
    found = settled(server, log.log("data", {"a": b"2"}, type="model"))
    assert (found["state"], found["version"]) == ("failed", None)
    assert "of type 'dataset', not 'model'" in found["reason"]
    assert [one["id"] for one in get(server, "/data")["unfinished"]] == [found["id"]]
    assert names_of(server, "data") == [("v0", ["latest"])]
    # Its number is the next version's.
    assert settled(server, log.log("data", {"a": b"2"}))["version"] == "v1"


def test_what_is_said_of_a_collection_changes_and_nothing_else_does(server):
    _, keys = versions(server, 1)
    said = change(server, "/data", {"description": "digits", "tags": ["a", "b"]})
    assert (said["description"], said["tags"], said["name"]) == ("digits", ["a", "b"], "data")
    assert change(server, "/data", {"tags_add": ["c", "a"], "tags_remove": ["b"]})["tags"] == [
        *("a", "c")
    ]
    (listed,) = get(server, "")["collections"]
    assert (listed["description"], listed["tags"]) == ("digits", ["a", "c"])
    version = get(server, "/data/v0")
    assert (version["id"], version["description"], version["tags"]) == (keys[0], "", [])
    many = {"tags_add": [f"tag {number}" for number in range(999)]}
    assert refused(ask(server, "/data", many, method="PATCH")) == (400, "invalid", "tags")
    for body, field in (
        ({"tags_remove": "a"}, "tags_remove"),
        ({"description": 1}, "description"),
        ({"aliases": []}, "aliases"),
    ):
        assert refused(ask(server, "/data", body, method="PATCH")) == (400, "invalid", field)
    assert get(server, "/data")["tags"] == ["a", "c"]


def test_a_deleted_collection_takes_its_versions_and_their_links_along(server):
    log, keys = versions(server, 2)
    other = settled(server, log.log("other", {"a": b"0"}))
    for key, to in ((keys[1], "shelf"), (other["id"], "data")):
        answer = ask(server, f"/{to}/links", {"artifact": key}, method="POST")
        assert answer[0] == 200
    delete(server, "/data")
    assert [one["name"] for one in get(server, "")["collections"]] == ["other", "shelf"]
    assert refused(ask(server, "/data"))[0] == 404
    assert get(server, "/shelf")["list"] == []
    assert [by_id(server, key)["state"] for key in keys] == ["deleted"] * 2
    # What it linked to is as it was.
    assert get(server, "/other/v0")["id"] == other["id"]
    assert refused(ask(server, "/data", method="DELETE"))[:2] == (404, "not_found")
    # A log of the same name begins anew.
    assert settled(server, log.log("data", {"a": b"new"}))["state"] == "committed"


def test_a_version_is_linked_to_another_collection(server):
    log, keys = versions(server, 3)
    log.link(keys[1], "local/shelf/best", ["prod"])
    log.link(keys[0], "local/shelf/best")
    log.link("local/p/data:v1", "local/shelf/best", ["again"])
    found = server.get("/projects/local/shelf/artifacts/best")
    assert [(one["version"], one["aliases"]) for one in found["list"]] == [
        ("v1", []),
        ("v0", ["again", "latest", "prod"]),
    ]
    linked = found["list"][1]
    assert linked["id"] == keys[1]
    assert linked["source"] == {
        "entity": "local",
        "project": "p",
        "name": "data",
        "version": "v1",
    }
    assert (linked["name"], linked["type"], linked["project"]) == ("best", "dataset", "shelf")
    assert by_id(server, keys[1])["name"] == "data"
    assert whose(server, "r")["undone"] == []
    # And by a person.
    path = "/api/v1/projects/local/shelf/artifacts/best"
    status, _, data = server.ask(f"{path}/links", {"artifact": keys[2], "aliases": ["new"]})
    said = json.loads(data)
    assert (status, said["version"], said["aliases"]) == (200, "v2", ["latest", "new"])
    assert refused(server.ask(f"{path}/links", {"artifact": "x"})) == (400, "invalid", "artifact")
    unknown = server.ask(f"{path}/links", {"artifact": "0" * 32})
    assert refused(unknown) == (404, "not_found", "artifact")
    # A link is no version to delete, and a version no link to remove.
    assert refused(server.ask(f"{path}/v0", method="DELETE")) == (400, "invalid", "ref")
    assert refused(ask(server, "/data/links/v0", method="DELETE")) == (400, "invalid", "ref")
    assert server.ask(f"{path}/links/v2", method="DELETE")[0] == 204
    newest = server.get("/projects/local/shelf/artifacts/best")["list"][0]
    assert (newest["version"], newest["aliases"]) == ("v1", ["latest"])
    assert names_of(server, "data")[0] == ("v2", ["latest"])
    model = settled(server, log.log("model", {"a": b"1"}, type="model"))
    answer = server.ask(f"{path}/links", {"artifact": model["id"]})
    assert refused(answer) == (400, "invalid", "type")
    log.link(model["id"], "local/shelf/best")
    (undone,) = whose(server, "r")["undone"]
    assert (undone["op"], undone["state"]) == ("link", "failed")
    assert "of type 'dataset', not 'model'" in undone["reason"]
    # A collection that has links elsewhere keeps its type; one that has none takes another.
    assert refused(ask(server, "/data", {"type": "t"}, method="PATCH")) == (409, "named", "type")
    assert change(server, "/model", {"type": "t", "name": "renamed"})["type"] == "t"
    assert get(server, "/renamed/v0")["type"] == "t"
    assert refused(ask(server, "/renamed", {"name": "data"}, method="PATCH")) == (
        409,
        "named",
        "name",
    )


def test_what_is_asked_for_before_it_is_there_is_done_later(server):
    early, log, content = Log(server, "early"), Log(server, "late"), b"x" * 5000
    key = new_id()
    early.use(key, "training data")
    early.use("local/p/data:v0")
    early.link(key, "local/p/shelf", ["top"])
    assert [one["state"] for one in whose(server, "early")["undone"]] == ["waiting"] * 3
    log.log("data", {"a": content}, id=key, late=[content])
    assert by_id(server, key)["state"] == "pending"
    assert [one["op"] for one in whose(server, "early")["undone"]] == ["use", "link"]
    log.upload(content)
    found = settled(server, key)
    assert [run["run"] for run in found["used_by"]] == ["early"]
    assert whose(server, "early")["undone"] == []
    (used,) = whose(server, "early")["used"]
    assert (used["id"], used["use_as"]) == (key, "training data")
    assert names_of(server, "shelf") == [("v0", ["latest", "top"])]


def everything(server):
    """All that is said of artifacts, but for when it was changed."""
    collections = get(server, "")["collections"]
    for one in collections:
        del one["updated"]
    names = [one["name"] for one in collections]
    return collections, [get(server, f"/{name}")["list"] for name in names], whose(server, "r")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_log_that_is_taken_anew_changes_nothing(server):
    log, keys = versions(server, 3)
    log.link(keys[0], "local/p/shelf", ["top"])
    log.link(keys[1], "local/p/shelf")
    log.use(keys[0])
    log.use("local/q/none:v0")
    settled(server, log.log("data", {"a": b"0"}, aliases=["again", "latest"]))
    failed = settled(server, log.log("data", {"a": b"0"}, digest="0" * 32))
    assert failed["state"] == "failed"
    # What people have said since stays as well.
    change(server, "/data/v1", {"aliases_add": ["latest", "mine"], "description": "said"})
    change(server, "/shelf/v1", {"aliases_add": ["top"]})
    gone = settled(server, log.log("data", {"a": b"gone"}))
    delete(server, f"/data/{gone['version']}?aliases=1")
    change(server, "/data/v1", {"aliases_add": ["latest"]})
    before = everything(server)
    for _ in range(2):
        log.forget()
        log.say()
        server.kill()
        server.start()
        # Whatever comes behind it has been looked at: so has what came before.
        settled(server, log.log("marker", {"a": b"m"}, id="f" * 32))
        after = everything(server)
        assert after[0][:1] == before[0][:1]
        assert after[1][0] == before[1][0]
        assert get(server, "/shelf")["list"] == before[1][1]
        assert by_id(server, gone["id"])["state"] == "deleted"
        logged = [one["id"] for one in after[2]["logged"] if one["name"] != "marker"]
        assert logged == [one["id"] for one in before[2]["logged"]]
        assert after[2]["used"] == before[2]["used"]
        assert after[2]["undone"] == before[2]["undone"]


@pytest.mark.slow
def test_two_that_log_the_same_name_at_once_get_numbers_without_gaps(server):
    logs = [Log(server, f"r{number}") for number in range(4)]
    for log in logs:
        log.say()

    def work(log):
        return [
            log.log("data", {"a": f"{log.run} {number}".encode()}, id=new_id())
            for number in range(12)
        ]

    with concurrent.futures.ThreadPoolExecutor() as pool:
        keys = [key for found in pool.map(work, logs) for key in found]
    numbers = [int(settled(server, key)["version"][1:]) for key in keys]
    assert sorted(numbers) == list(range(48))
    found = names_of(server, "data")
    assert found == [(f"v{n}", ["latest"] if n == 47 else []) for n in reversed(range(48))]


def test_parts_of_several_processes_become_one_version(server):
    logs = [Log(server, "r", f"w{rank}") for rank in range(3)]
    for log in logs:
        log.say()
        log.clock = lambda: 0  # each record is 1 ns after the one before
    shared = {"distributed": "group-1", "type": "dataset"}
    large = b"l" * 200_000
    parts = [
        logs[0].log("data", {"0": b"zero"}, **shared),
        logs[1].log("data", {"1": large}, late=[large], **shared),
    ]
    final = logs[2].log("data", {"2": b"two"}, final=True, aliases=["done", "latest"], **shared)
    while by_id(server, final)["reason"] != "it waits for the contents of its parts":
        time.sleep(0.01)
    assert [by_id(server, one)["state"] for one in parts] == ["pending"] * 2
    logs[1].upload(large)
    found = settled(server, final)
    whole = {"0": b"zero", "1": large, "2": b"two"}
    assert (found["version"], found["digest"]) == ("v0", digest_of(manifest_of(whole)))
    assert found["aliases"] == ["done", "latest"]
    assert [by_id(server, one) for one in parts] == [found, found]
    # One that comes late makes a further version, of all of them.
    late = settled(server, logs[0].log("data", {"3": b"three"}, **shared))
    assert late["version"] == "v1"
    assert late["digest"] == digest_of(manifest_of({**whole, "3": b"three"}))
    later = settled(server, logs[1].log("data", {"4": b"four"}, **shared))
    assert later["count"] == 5
    # What is logged after the final one is of the next round, and waits for its end.
    logs = [Log(server, "r2", f"w{rank}") for rank in range(2)]
    part = logs[0].log("data", {"0": b"again"}, **shared)
    while by_id(server, part)["reason"] != "it waits for the last of its parts":
        time.sleep(0.01)
    logs[1].wall = time.time_ns()
    second = settled(server, logs[1].log("data", {"1": b"again too"}, final=True, **shared))
    assert (second["version"], second["count"]) == ("v3", 2)
    assert by_id(server, part) == second
    # Another group is another artifact; a part that fails fails the whole, and says so.
    logs[0].log("data", {"0": b"x"}, distributed="group-2", digest="0" * 32)
    final = logs[1].log("data", {"1": b"y"}, distributed="group-2", final=True)
    found = settled(server, final)
    assert (found["state"], "its part" in found["reason"]) == ("failed", True)


def test_lineage_says_which_run_made_what_of_what(server):
    raw, train, evaluate = (Log(server, run) for run in ("raw", "train", "eval"))
    data = settled(server, raw.log("data", {"a": b"1"}))
    train.use(data["id"])
    model = settled(server, train.log("model", {"m": b"1"}, type="model"))
    evaluate.use("local/p/model:v0")
    evaluate.use("local/p/data:latest")
    names = {
        f"artifact/{data['id']}": "data",
        f"artifact/{model['id']}": "model",
        "run/local/p/raw": "raw",
        "run/local/p/train": "train",
        "run/local/p/eval": "eval",
    }

    def lineage(path):
        found = get(server, path)
        assert found["truncated"] is None
        nodes = {names[node["key"]] for node in found["nodes"]}
        return nodes, {(names[one["from"]], one["how"], names[one["to"]]) for one in found["edges"]}

    near = (
        {"data", "raw", "train", "eval"},
        {
            ("raw", "logged", "data"),
            ("data", "used", "train"),
            ("data", "used", "eval"),
        },
    )
    assert lineage("/data/v0/lineage?depth=1") == near
    whole = (
        near[0] | {"model"},
        near[1]
        | {
            ("train", "logged", "model"),
            ("model", "used", "eval"),
        },
    )
    assert lineage("/data/v0/lineage") == whole
    assert lineage("/model/latest/lineage?depth=20") == whole
    first = get(server, "/data/v0/lineage")["nodes"][0]
    assert (first["kind"], first["version"], first["type"]) == ("artifact", "v0", "dataset")
    assert by_id(server, data["id"])["used_by"] == [
        {"entity": "local", "project": "p", "run": run, "name": run} for run in ("train", "eval")
    ]
    assert [one["name"] for one in whose(server, "eval")["used"]] == ["model", "data"]
    delete_run(server, "train")
    nodes, _ = lineage("/data/v0/lineage")
    assert nodes == {"data", "raw", "eval", "model"}


def test_lineage_has_at_most_500_nodes(server):
    log = Log(server)
    data = settled(server, log.log("data", {"a": b"1"}))
    for number in range(3):
        Log(server, f"u{number}").use(data["id"])
    with metadata(server) as database:
        (run,) = database.execute("SELECT max(id) FROM runs").fetchone()
        for number in range(600):
            database.execute(
                "INSERT INTO runs SELECT ?, project_id, ?, name, notes, tags, group_name, job_type,"
                " state, exit_code, created, updated, records, last_step, metrics, forked_run,"
                " forked_step, config, summary, said FROM runs WHERE id = ?",
                (run + 1 + number, f"x{number}", run),
            )
            database.execute(
                "INSERT INTO artifact_uses SELECT ?, artifact_id, how, use_as, wall"
                " FROM artifact_uses WHERE run_id = ?",
                (run + 1 + number, run),
            )
    found = get(server, "/data/v0/lineage")
    assert len(found["nodes"]) == 500
    assert found["truncated"] == {"shown": 500, "reason": "at most 500"}
    assert len(found["edges"]) == 499


def test_a_commit_changes_the_version_of_the_data(server):
    log, content = Log(server), b"x" * 1000

    def version():
        return int(server.ask("/api/v1/projects")[1]["X-Data-Version"])

    key = log.log("data", {"a": content}, late=[content])
    before = version()
    log.upload(content)
    settled(server, key)
    after = version()
    assert after > before
    change(server, "/data/v0", {"description": "x"})
    assert version() > after
