"""Images and the like: to the server and back."""

from __future__ import annotations

import io
import json

import numpy as np
import PIL.Image

import steplog

RANDOM = np.random.default_rng(5)


def test_images_come_to_the_server_and_back_pixel_for_pixel(server, online, tmp_path):
    pixels = {
        "small": RANDOM.integers(0, 256, (10, 12, 3), dtype=np.uint8),
        "large": RANDOM.integers(0, 256, (800, 700, 3), dtype=np.uint8),
        "odd/kéy %?#": RANDOM.integers(2, 256, (5, 6), dtype=np.uint8),
    }
    mask = RANDOM.integers(0, 9, (10, 12))
    boxes = [{"position": {"middle": [1, 1], "width": 1, "height": 1}, "class_id": 1}]
    with online("r") as run:
        for key, array in pixels.items():
            run.log({key: steplog.Image(array)})
        run.log(
            {
                "list": [
                    steplog.Image(pixels["small"], boxes={"b": {"box_data": boxes}}),
                    steplog.Image(pixels["large"], masks={"m": {"mask_data": mask}}),
                ],
                "page": steplog.Html("<p>größe", inject=False),
                "histogram": steplog.Histogram([1, 2, 3], num_bins=3),
            }
        )
        run.finish()
        assert run.status()["files_waiting"] == 0
    rows = server.rows("r")
    with steplog.Api(server.url, server.key) as api:
        files = {file.name: file for file in api.run("p/r").files()}

        def content(name):
            return files[name].download(tmp_path / "copy").read_bytes()

        def shown(name):
            return np.asarray(PIL.Image.open(io.BytesIO(content(name))))

        for row, (key, array) in zip(rows, pixels.items(), strict=False):
            assert row[key]["_type"] == "image-file"
            assert np.array_equal(shown(row[key]["path"]), array)
        last = rows[-1]
        assert [shown(name).shape for name in last["list"]["filenames"]] == [
            *((10, 12, 3), (800, 700, 3)),
        ]
        assert np.array_equal(shown(last["list"]["all_masks"][1]["m"]["path"]), mask)
        stored = json.loads(content(last["list"]["all_boxes"][0]["b"]["path"]))
        assert stored == {"box_data": boxes, "class_labels": {"1": "class_1"}}
        assert content(last["page"]["path"]) == "<p>größe".encode()
        assert last["histogram"]["values"] == [1, 1, 1]


def test_a_run_that_was_offline_is_sent_with_its_images(server, tmp_path):
    array = RANDOM.integers(0, 256, (700, 800, 3), dtype=np.uint8)
    with steplog.init(
        project="p", id="later", mode="offline", dir=str(tmp_path), settings={"quiet": True}
    ) as run:
        run.log({"img": [steplog.Image(array)] * 2})
    assert server.cli("sync", run.sync_dir).returncode == 0
    (row,) = server.rows("later")
    (name,) = set(row["img"]["filenames"])
    status, _, body = server.ask(f"/api/v1/projects/local/p/runs/later/files/{name}")
    assert status == 200
    assert np.array_equal(np.asarray(PIL.Image.open(io.BytesIO(body))), array)
