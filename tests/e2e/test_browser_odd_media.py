"""Media that are not as they should be, in a real browser."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import bokeh.plotting
import PIL.Image
import pytest
from tests.e2e.test_browser import need_browser, run_page

import steplog

BOXES = b"""{"box_data": [
    {"position": {"minX": 0.1, "maxX": 0.5, "minY": 0.1, "maxY": 0.5}, "class_id": 0,
     "scores": {"acc": NaN, "iou": 0.5}},
    {"position": {"minX": NaN, "maxX": 0.5, "minY": 0.1, "maxY": 0.5}, "class_id": 0}
], "class_labels": {"0": "cat"}}"""


def png(width, height, color):
    file = io.BytesIO()
    PIL.Image.new("RGB", (width, height), color).save(file, "PNG")
    return file.getvalue()


def put(run, kind, name, *, holds, **more):
    """A file of the run, and what a value says of it: as another client may have sent them."""
    writer: Any = run._own_writer()
    path = f"media/{name}"
    writer.put_file(path, holds)
    digest = hashlib.sha256(holds).hexdigest()
    return {"_type": kind, "path": path, "sha256": digest, "size": len(holds), **more}


def picture(run, name, *, boxes, masks=None):
    marks = {
        "boxes": {
            key: put(run, "boxes2D", f"{name}-{key}.json", holds=at) for key, at in boxes.items()
        },
        "masks": {key: put(run, "mask", f"{name}-{key}.png", holds=at) for key, at in masks.items()}
        if masks
        else {},
    }
    holds = png(32, 32, (10, 20, 30))
    size = {"format": "png", "width": 32, "height": 32}
    return put(run, "image-file", f"{name}.png", holds=holds, **size, **marks)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_odd_media_are_shown(server, monkeypatch, tmp_path):
    need_browser()
    monkeypatch.setenv("STEPLOG_CONFIG_DIR", server.environ["STEPLOG_CONFIG_DIR"])
    settings = {"base_url": server.url, "quiet": True, "finish_timeout_secs": 60.0}
    with steplog.init(project="p", dir=str(tmp_path), id="odd", settings=settings) as run:
        run.log(
            {
                "nan_boxes": picture(run, "nan", boxes={"found": BOXES}),
                "broken_marks": picture(
                    run,
                    "broken",
                    boxes={"found": BOXES[:-9], "more": BOXES},
                    masks={"truth": b"no picture"},
                ),
            }
        )
        for size, color in (((32, 8), (200, 0, 0)), ((16, 16), (0, 0, 200))):
            run.log({"sizes": steplog.Image(PIL.Image.new("RGB", size, color))})
        edges = [-1e308, -3e307, 3e307, 1e308]
        run.log({"wide": steplog.Histogram(np_histogram=([1, 3, 2], edges))})
        figure = bokeh.plotting.figure()
        figure.line([1, 2, 3], [1, 4, 9])
        run.log({"plot": steplog.data_types.Bokeh(figure)})
    run_page(server, "e2e/oddMedia.mjs", "p")
