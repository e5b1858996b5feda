"""The pages of artifacts in a real browser."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import time
import uuid
from typing import Any

import numpy as np
import PIL.Image
import pytest
from tests.e2e.test_browser import need_browser, run_page

TABLE = b'{"columns": ["id", "text"], "data": [[1, "hello"], [9007199254740993, "world"]]}'


def md5_of(content):
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def entry_of(content):
    sha256 = hashlib.sha256(content).hexdigest()
    return {"digest": md5_of(content), "size": len(content), "sha256": sha256}


def log(run, name, contents, *, references=(), unsent=b"", **said):
    """Log an artifact as docs/format.md says it; returns its id."""
    writer: Any = run._own_writer()
    entries = {path: entry_of(content) for path, content in contents.items()}
    for path, address in dict(references).items():
        entries[path] = {"ref": address, "digest": "etag", "size": 7, "extra": {"etag": "etag"}}
    if unsent:
        entries["unsent.bin"] = entry_of(unsent)
    manifest = {
        "version": 1,
        "storagePolicy": "wandb-storage-policy-v1",
        "storagePolicyConfig": {"storageLayout": "V2"},
        "contents": entries,
    }
    digests = "".join(f"{path}:{entries[path]['digest']}\n" for path in sorted(entries))
    digest = hashlib.md5(
        f"wandb-artifact-manifest-v1\n{digests}".encode(), usedforsecurity=False
    ).hexdigest()
    text = json.dumps(manifest).encode()
    for content in {*contents.values(), text}:
        writer.put_file(f".artifacts/{hashlib.sha256(content).hexdigest()}", content)
    key = uuid.uuid4().hex
    record = {
        "op": "log",
        "id": key,
        "sequence": "s",
        "name": name,
        "type": "dataset",
        "description": "",
        "metadata": {},
        "aliases": ["latest"],
        "tags": [],
        "digest": digest,
        "manifest": hashlib.sha256(text).hexdigest(),
        "size": sum(one["size"] for one in entries.values()),
        "count": len(entries),
        **said,
    }
    writer.put_artifact(record)
    return key


def use(run, artifact):
    run._own_writer().put_artifact({"op": "use", "artifact": artifact, "use_as": ""})


def image(number):
    file = io.BytesIO()
    PIL.Image.fromarray(np.full((8, 8, 3), number * 4, np.uint8)).save(file, "PNG")
    return file.getvalue()


def await_state(server, key, state):
    """Wait until the server has decided what becomes of an artifact."""
    while True:
        status, _, data = server.ask(f"/api/v1/artifacts/{key}")
        if status == 200 and json.loads(data)["state"] == state:
            return
        time.sleep(0.02)


def log_all(server, online):
    """Three runs, of which each uses what the one before has logged."""
    images = {f"images/{number}.png": image(number) for number in range(61)}
    same = {**images, "preds.table.json": TABLE}
    with online("prepare", name="preparation") as run:
        first = {**same, "config.json": b'{"depth": 2}', "old.txt": b"old"}
        data = log(run, "cifar", first)
        await_state(server, data, "committed")
        second = {**same, "config.json": b'{"depth": 3}', "new.txt": b"new and longer"}
        references = {"elsewhere.bin": "s3://bucket/elsewhere.bin"}
        log(run, "cifar", second, references=references)
        many = {f"{'ab'[number % 2]}/{number:04}": b"x" for number in range(1500)}
        await_state(server, log(run, "many", many), "committed")
    with online("train", name="train") as run:
        use(run, data)
        log(run, "run-train-preds", {"preds.table.json": TABLE}, type="run_table")
        contents = {"model.pt": b"weights", "a.json": b"{}"}
        old = log(run, "model", contents, type="model")
        await_state(server, old, "committed")
        metadata = {"lr": 0.1, "seed": 2**53 + 1, "optim": {"name": "adam"}}
        contents = {"model.pt": b"new weights!", "a.json": b"{}"}
        said = {"metadata": metadata, "aliases": ["best", "latest"]}
        model = log(run, "model", contents, type="model", **said)
        await_state(server, model, "committed")
        await_state(server, log(run, "cifar", contents, type="model"), "failed")
        pending = log(run, "model", {"a.json": b"[]"}, type="model", unsent=b"never sent")
        await_state(server, pending, "pending")
        link = {"op": "link", "artifact": model, "to": "local/p/registry", "aliases": []}
        run._own_writer().put_artifact(link)
    with online("eval", name="evaluation") as run:
        use(run, model)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_artifacts_in_the_browser(server, online):
    need_browser()
    log_all(server, online)
    run_page(server, "e2e/artifacts.mjs", "p")
