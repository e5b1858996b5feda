"""Images in a run's log: their rows, their files, and what `log` does before it returns."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
import time
import types
import warnings
import zlib
from typing import Any

import anyio
import numpy as np
import orjson
import PIL.Image
import PIL.PngImagePlugin
import pytest

import steplog
from steplog import _later, _later_pool
from steplog._core import RunLog

RANDOM = np.random.default_rng(7)
PIXELS = RANDOM.integers(0, 256, (10, 12, 3), dtype=np.uint8)
LARGE = RANDOM.integers(0, 256, (700, 700, 3), dtype=np.uint8)
"""Noise: its file is over 1 MiB."""


class Tensor:
    """Stands for a tensor of torch."""

    def __init__(self, array, device="cpu"):
        self.array, self.device = array, device
        self.shape, self.dtype, self.nbytes = array.shape, f"torch.{array.dtype}", array.nbytes

    def detach(self):
        return self

    def clone(self):
        return Tensor(self.array.copy(), self.device)

    def numpy(self):
        return self.array

    def tolist(self):
        return self.array.tolist()

    def element_size(self):
        return self.array.itemsize

    def is_floating_point(self):
        return self.array.dtype.kind == "f"


def rows(run) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in row.items() if not key.startswith("_")}
        for row in RunLog(run.sync_dir).rows()
    ]


def opened(content):
    return PIL.Image.open(io.BytesIO(content))


def png_of(image):
    file = io.BytesIO()
    image.save(file, "png")
    return file.getvalue()


@pytest.fixture
def logged(start, media_of):
    """Logs images one by one; gives the row's value and the content of the file of each."""

    def log(*images, **arguments):
        with start(**arguments) as run:
            for image in images:
                run.log({"img": image})
        files = media_of(run.sync_dir)
        return [(row["img"], files[row["img"]["path"]]) for row in rows(run)]

    return log


def shown(image, logged):
    """The pixels that an image is stored as."""
    ((_, content),) = logged(image)
    return np.asarray(opened(content))


# ---- what the row says -------------------------------------------------------------------------


def test_an_image_is_what_the_reference_makes_of_it(logged):
    image = steplog.Image(PIXELS, caption="c", grouping=3)
    ((value, content),) = logged(image)
    sha256 = hashlib.sha256(content).hexdigest()
    assert list(value.items()) == [
        ("_type", "image-file"),
        ("path", f"media/images/img_0_{sha256[:20]}.png"),
        ("sha256", sha256),
        ("size", len(content)),
        ("format", "png"),
        ("width", 12),
        ("height", 10),
        ("caption", "c"),
        ("grouping", 3),
    ]
    assert np.array_equal(np.asarray(opened(content)), PIXELS)
    assert (image.format, image.width, image.height) == ("png", 12, 10)
    assert np.array_equal(np.asarray(image.image), PIXELS)


def test_a_list_is_one_value_and_no_image_is_left_out(start, media_of):
    count = 150
    frames = [np.full((4, 6), number, np.uint8) for number in range(2, count + 2)]
    with start() as run:
        run.log({"many": [steplog.Image(frame) for frame in frames]})
        run.log({"one": [steplog.Image(PIXELS, caption="x")], "none": []})
        run.log({"a": [steplog.Image(PIXELS), steplog.Image(PIXELS, caption="late")]})
    files = media_of(run.sync_dir)
    many, one, two = rows(run)
    found = many["many"]
    assert {**found, "filenames": 0} == {
        "_type": "images/separated",
        "width": 6,
        "height": 4,
        "format": "png",
        "count": count,
        "filenames": 0,
    }
    assert [opened(files[name]).getpixel((0, 0)) for name in found["filenames"]] == [
        *range(2, count + 2)
    ]
    assert (one["one"]["captions"], one["none"]) == (["x"], [])
    assert two["a"]["captions"] == [None, "late"]
    assert len(set(two["a"]["filenames"])) == 1


def test_images_lie_anywhere_in_a_row(start, media_of):
    with start() as run:
        image = steplog.Image(PIXELS)
        run.log({"a": {"b": image}, "mixed": [image, None, 1], "in": [{"deep": image}], "x": 1})
    (row,) = rows(run)
    (files,) = {len(media_of(run.sync_dir))}
    assert row["x"] == 1
    # The same object keeps its first file.
    assert row["a"]["b"] == row["mixed"][0] == row["in"][0]["deep"]
    assert row["mixed"][1:] == [None, 1]
    assert files == 1


def test_the_summary_has_the_value(start, media_of):
    with start() as run:
        run.log({"img": steplog.Image(PIXELS)})
        run.summary["best"] = steplog.Image(PIXELS)
        run.config["example"] = steplog.Image(PIXELS)
        run.flush()
        assert run.summary["img"]["_type"] == "image-file"
    files = media_of(run.sync_dir)
    summary: Any = RunLog(run.sync_dir).summary()
    for value in (summary["img"], summary["best"], run.config["example"]):
        assert hashlib.sha256(files[value["path"]]).hexdigest() == value["sha256"]
    assert summary["best"]["path"].startswith("media/images/best_summary_")


def test_boxes_are_a_file_of_their_own(start, media_of):
    boxes = [
        {
            "position": {"minX": 0.1, "maxX": 0.2, "minY": 0.3, "maxY": np.float32(0.5)},
            "class_id": np.int64(1),
            "box_caption": "b",
            "scores": {"acc": 0.5},
        },
        {"position": {"middle": [3, 4], "width": 2, "height": 1}, "domain": "pixel", "class_id": 2},
    ]
    sets = {"predictions": {"box_data": boxes, "class_labels": {1: "car"}}}
    with start() as run:
        run.log({"boxes": steplog.Image(PIXELS, boxes=sets)})
        run.log({"boxes": steplog.Image(PIXELS, boxes={"p": {"box_data": boxes}})})
        named = steplog.Image(
            PIXELS, boxes={"p": {"box_data": boxes}}, classes=[{"id": 1, "name": "car"}]
        )
        run.log({"boxes": [named, steplog.Image(PIXELS)]})
    files = media_of(run.sync_dir)
    first, second, both = (row["boxes"] for row in rows(run))
    stored = first["boxes"]["predictions"]
    assert stored["_type"] == "boxes2D"
    assert stored["path"] == f"media/metadata/boxes2D/boxes_0_{stored['sha256'][:20]}.boxes2D.json"
    assert json.loads(files[stored["path"]]) == {
        "box_data": [
            {
                "position": {"minX": 0.1, "maxX": 0.2, "minY": 0.3, "maxY": 0.5},
                "class_id": 1,
                "box_caption": "b",
                "scores": {"acc": 0.5},
            },
            {
                "position": {"middle": [3, 4], "width": 2, "height": 1},
                "class_id": 2,
                "domain": "pixel",
            },
        ],
        "class_labels": {"1": "car"},
    }
    labels = json.loads(files[second["boxes"]["p"]["path"]])["class_labels"]
    assert labels == {"1": "class_1", "2": "class_2"}
    assert both["all_boxes"][1] is None
    labels = json.loads(files[both["all_boxes"][0]["p"]["path"]])["class_labels"]
    assert labels == {"1": "car"}


def test_a_score_that_is_no_number_is_a_missing_one(start, media_of):
    position = {"middle": [3, 4], "width": 2, "height": 1}
    scores = {"acc": np.float32("nan"), "iou": 0.5, "up": math.inf, "down": -math.inf}
    boxes = [{"position": position, "scores": scores}]
    with start() as run:
        run.log({"boxes": steplog.Image(PIXELS, boxes={"p": {"box_data": boxes}})})
    (row,) = rows(run)
    text = media_of(run.sync_dir)[row["boxes"]["boxes"]["p"]["path"]]
    # What browsers and the server's own reader take, which Python's is more lenient than.
    assert orjson.loads(text)["box_data"] == [{"position": position, "scores": {"iou": 0.5}}]


def test_masks_are_files_that_keep_each_class(start, media_of, tmp_path):
    mask = RANDOM.integers(0, 256, (10, 12))
    path = tmp_path / "mask.png"
    path.write_bytes(png_of(PIL.Image.fromarray(mask.astype(np.uint8))))
    masks: dict[str, dict[str, Any]] = {
        "pred": {"mask_data": mask, "class_labels": {0: "sky", 1: "car"}},
        "bool": {"mask_data": mask > 9},
        "list": {"mask_data": [[0, 1], [1, 0]]},
        "tensor": {"mask_data": Tensor(mask)},
        "path": {"path": path},
    }
    with start() as run:
        run.log({"m": steplog.Image(PIXELS, masks=masks)})
        run.log({"m": [steplog.Image(PIXELS, masks=masks), steplog.Image(PIXELS)]})
    files = media_of(run.sync_dir)
    (stored,) = (row["m"]["masks"] for row in rows(run)[:1])
    assert {name: value["_type"] for name, value in stored.items()} == dict.fromkeys(masks, "mask")
    pred = stored["pred"]
    assert pred["path"] == f"media/images/mask/m_0_{pred['sha256'][:20]}.mask.png"
    assert pred["class_labels"] == {"0": "sky", "1": "car"}
    pixels = {name: np.asarray(opened(files[one["path"]])) for name, one in stored.items()}
    assert np.array_equal(pixels["pred"], mask)
    assert np.array_equal(pixels["bool"], mask > 9)
    assert pixels["list"].tolist() == [[0, 1], [1, 0]]
    assert np.array_equal(pixels["tensor"], mask)
    assert files[stored["path"]["path"]] == path.read_bytes()
    assert rows(run)[1]["m"]["all_masks"][1] is None


# ---- what pixels become ------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [None, 1, 3, 4])
def test_bytes_are_kept_pixel_for_pixel(logged, channels):
    shape = (31, 17) if channels is None else (31, 17, channels)
    pixels = RANDOM.integers(0, 256, shape, dtype=np.uint8)
    found = shown(steplog.Image(pixels), logged)
    assert np.array_equal(found, pixels[:, :, 0] if channels == 1 else pixels)


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.zeros((40, 30, 3), np.uint8),
        lambda: np.tile(np.arange(256, dtype=np.uint8), (3, 1)),
        lambda: np.arange(256, dtype=np.uint8).reshape(-1, 1).repeat(3, 1),
        lambda: RANDOM.integers(2, 256, (1, 1), dtype=np.uint8),
        lambda: LARGE[::-1, ::2].transpose(1, 0, 2),
    ],
    ids=["flat", "across", "down", "one pixel", "not contiguous"],
)
def test_every_way_to_write_rows_is_read_back(logged, make):
    pixels = make()
    assert np.array_equal(shown(steplog.Image(pixels), logged), pixels)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.array([[0.0, 0.5, 1.0]]), [[0, 128, 255]]),
        (np.array([[-1.0, 0.0, 1.0]]), [[0, 128, 255]]),
        (np.array([[0.0, 100.4, 255.0]]), [[0, 100, 255]]),
        (np.array([[-7.0, 300.0, 3.0]]), [[0, 255, 3]]),
        (np.array([[0, 1, 1]], np.uint8), [[0, 255, 255]]),
        (np.array([[0, 1, 2]], np.uint8), [[0, 1, 2]]),
        (np.array([[False, True, True]]), [[0, 255, 255]]),
        (np.array([[0, 1, 1]], np.int64), [[0, 255, 255]]),
        (np.array([[0, 7, 300]], np.int32), [[0, 7, 255]]),
        (np.array([[0, 7, 200]], np.uint16), [[0, 7, 200]]),
        (np.array([[0, 7, 60000]], np.uint16), [[0, 7, 60000]]),
        (np.array([[0, 7], [258, 60000]], ">u2").T, [[0, 258], [7, 60000]]),
        (np.array([[np.nan, np.inf, -np.inf, 0.5]]), [[0, 255, 0, 128]]),
        (np.ma.masked_equal(np.array([[9, 7, 8]], np.uint8), 9), [[0, 7, 8]]),
        (np.array([[0.0, 0.25]], np.float16), [[0, 64]]),
    ],
    ids=str,
)
def test_values_are_spread_over_the_range(logged, pixels, expected):
    assert shown(steplog.Image(pixels), logged).tolist() == expected


def test_bytes_divided_by_255_come_back(logged):
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for kind in (np.float32, np.float64):
        assert np.array_equal(shown(steplog.Image(every / kind(255)), logged), every)


def test_without_normalize_values_are_what_they_are(logged):
    for values in (np.array([[0.0, 1.0]]), np.array([[0, 1]], np.uint8), np.array([[False, True]])):
        assert shown(steplog.Image(values, normalize=False), logged).tolist() == [[0, 1]]


def test_values_outside_the_range_are_warned_about_once(start, capfd):
    with start() as run:
        for _ in range(3):
            run.log({"img": steplog.Image(np.array([[0.0, 300.0]]))})
    assert capfd.readouterr().err.count("an image has values from 0 to 300: they are cut") == 1


def test_tensors_have_their_channels_first(logged):
    for device in ("cpu", "accelerator:0"):
        tensor = Tensor(PIXELS.transpose(2, 0, 1).astype(np.float32) / 255, device)
        assert np.array_equal(shown(steplog.Image(tensor), logged), PIXELS)
    assert np.array_equal(
        shown(steplog.Image(Tensor(PIXELS[None, :, :, 0])), logged), PIXELS[:, :, 0]
    )
    assert np.array_equal(shown(steplog.Image(Tensor(PIXELS[:, :, 0])), logged), PIXELS[:, :, 0])


def test_a_batch_becomes_a_grid(logged):
    batch = RANDOM.integers(2, 256, (11, 5, 7, 3), dtype=np.uint8)
    image = steplog.Image(batch)
    grid = shown(image, logged)
    assert grid.shape == (2 * 7 + 2, 8 * 9 + 2, 3) == (image.height, image.width, 3)
    assert np.array_equal(grid[2:7, 2:9], batch[0])
    assert np.array_equal(grid[9:14, 20:27], batch[10])
    assert np.array_equal(shown(steplog.Image(batch[:1]), logged), batch[0])


@pytest.mark.parametrize("file_type", ["png", "jpg", "bmp"])
def test_no_mode_of_pillow_is_left_out(start, file_type):
    more = ["La", "LAB", "RGBa", "RGBX", "I;16L", "I;16B", "I;16N"]
    modes = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "I;16", "F"]
    with start() as run:
        for mode in [*modes, *more]:
            image = PIL.Image.new(mode, (4, 3))
            run.log({"i": steplog.Image(image, file_type=file_type)})
    assert run.status()["skipped"] == 0
    assert len(rows(run)) == len(modes + more)


def test_what_grey_of_pillow_is_kept(logged):
    half = PIL.Image.fromarray(PIXELS).convert("LA")
    assert np.array_equal(
        shown(steplog.Image(half.convert("La")), logged)[:, :, 1], np.asarray(half)[:, :, 1]
    )
    deep = PIL.Image.new("I;16N", (4, 3), 777)
    assert shown(steplog.Image(deep), logged).tolist() == [[777] * 4] * 3


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "I;16", "F", "PA"]
)
def test_images_of_pillow_of_every_mode(logged, mode):
    gray = PIL.Image.fromarray(PIXELS[:, :, 0])
    if mode == "I;16":
        image = PIL.Image.fromarray(np.arange(120, dtype=np.uint16).reshape(10, 12) * 500)
    elif mode == "PA":
        image = gray.convert("LA").convert("PA")
    else:
        image = PIL.Image.fromarray(PIXELS).convert(mode)
    expected = image.convert(
        {"CMYK": "RGB", "YCbCr": "RGB", "HSV": "RGB", "PA": "RGBA"}.get(mode, mode)
    )
    found = shown(steplog.Image(image), logged)
    if mode == "F":
        assert np.abs(found - np.asarray(expected)).max() <= 0.5
    else:
        assert np.array_equal(found, np.asarray(expected))


def test_what_pillow_knows_of_an_image_is_kept(logged):
    image = PIL.Image.fromarray(PIXELS)
    image.info["icc_profile"] = b"a profile"
    ((_, content),) = logged(steplog.Image(image))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert opened(content).info["icc_profile"] == b"a profile"


def test_mode_and_file_type(logged):
    images = [
        steplog.Image(PIXELS, mode="L"),
        steplog.Image(PIXELS, file_type="jpg"),
        steplog.Image(np.dstack([PIXELS, PIXELS[:, :, 0]]), file_type="JPEG"),
        steplog.Image(PIXELS, file_type="bmp"),
    ]
    found = logged(*images)
    assert [
        (value["format"], value["path"][-4:], opened(content).format, opened(content).mode)
        for value, content in found
    ] == [
        ("png", ".png", "PNG", "L"),
        ("jpg", ".jpg", "JPEG", "RGB"),
        ("jpeg", "jpeg", "JPEG", "RGB"),
        ("bmp", ".bmp", "BMP", "RGB"),
    ]
    assert np.array_equal(np.asarray(opened(found[3][1])), PIXELS)


def test_a_figure_is_drawn_at_once(logged):
    class Figure:
        color = 10

        def savefig(self, file, format):
            PIL.Image.fromarray(np.full((3, 4), self.color, np.uint8)).save(file, format)

    class Axes:
        def __init__(self, figure):
            self.get_figure = lambda: figure

    figure = Figure()
    images = [steplog.Image(figure), steplog.Image(Axes(figure)), steplog.Image(Axes(Axes(figure)))]
    figure.color = 99
    assert [opened(content).getpixel((0, 0)) for _, content in logged(*images)] == [10] * 3
    with pytest.raises(steplog.UsageError, match="got Axes"):
        steplog.Image(Axes(None))


# ---- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "tiff", "PNG", "none"])
def test_the_file_of_a_path_is_kept_as_it_is(logged, tmp_path, suffix):
    path = tmp_path / ("image" if suffix == "none" else f"image.{suffix}")
    PIL.Image.fromarray(PIXELS).save(path, "png" if suffix == "none" else None)
    content = path.read_bytes()
    image = steplog.Image(path, caption="c")
    path.unlink()
    again = steplog.Image(image)
    raw = steplog.Image(content)
    found = logged(image, again, raw)
    assert [file for _, file in found] == [content] * 3
    wanted = "png" if suffix == "none" else suffix.lower()
    assert [value["format"] for value, _ in found[:2]] == [wanted] * 2
    assert [value.get("caption") for value, _ in found] == ["c", "c", None]
    assert found[0][0]["path"].endswith(f".{wanted}")
    assert (image.width, image.height) == (12, 10)


def test_equal_large_contents_are_stored_once(start, media_of):
    with start() as run:
        for _ in range(3):
            run.log({"a": steplog.Image(LARGE), "b": steplog.Image(LARGE)})
    files = media_of(run.sync_dir)
    assert len(files) == 6
    assert all(np.array_equal(np.asarray(opened(content)), LARGE) for content in files.values())
    assert len(list(pathlib.Path(run.sync_dir, "wal").glob("*/blobs/*"))) == 1
    assert not pathlib.Path(run.dir, "media").exists()


def test_a_saved_file_that_changes_does_not_take_an_images_content_along(
    start, media_of, tmp_path, *, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "large.png"
    PIL.Image.fromarray(LARGE).save(path)
    content = path.read_bytes()
    with start() as run:
        run.save("large.png", policy="end")
        run.save("large.png", policy="now")
        run.log({"img": steplog.Image(path)})
        run.flush()
        path.write_bytes(content + b"more")
        run.save("large.png", policy="now")
    assert list(media_of(run.sync_dir).values()) == [content]


def test_a_file_that_comes_too_late_does_not_take_an_images_content_along(
    start, media_of, tmp_path, *, monkeypatch
):
    """Its record finds no room, and it is forgotten again: not what an image shares with it."""
    path = tmp_path / "large.png"
    PIL.Image.fromarray(LARGE).save(path)
    monkeypatch.chdir(tmp_path)
    with start() as run:
        run.log({"img": steplog.Image(path)})
        run.flush()

        def full(*_):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("steplog._blob_folder.BlobFolder.link_into", full)
            run.save("large.png", policy="now")
            run.finish()
    assert list(media_of(run.sync_dir).values()) == [path.read_bytes()]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a/b", "a/b"),
        ("/a//b/", "a/b"),
        ("../../x", "__/__/x"),
        ("./x", "_/x"),
        ("..", "__"),
        ("a\\b\nc\x00", "a_b_c_"),
        ("größe 画像?*", "größe 画像?*"),
        ("/", "_"),
        ("画" * 200, "画" * 70),
    ],
)
def test_keys_become_names_of_files(start, media_of, *, key, name):
    with start() as run:
        run.log({key: steplog.Image(PIXELS)})
        assert run.status()["skipped"] == 0
    (path,) = media_of(run.sync_dir)
    assert path.startswith(f"media/images/{name}")
    assert len(path.encode()) <= 255
    assert rows(run)[0][key]["path"] == path


# ---- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ((np.zeros((3, 3, 2)),), steplog.UsageError, r"\(H, W, C\) of 1, 3 or 4 channels"),
        ((np.zeros(3),), steplog.UsageError, "an image is an array"),
        ((np.zeros((0, 4)),), steplog.UsageError, "no pixels"),
        (
            (np.broadcast_to(np.uint8(0), (10**6, 10**6)),),
            steplog.UsageError,
            "is over 178,956,970",
        ),
        ((np.broadcast_to(0.0, (10**9, 9, 9, 3)),), steplog.UsageError, "is over 178,956,970"),
        ((np.array([["a"]]),), TypeError, "numbers"),
        ((object(),), TypeError, "got object"),
        ((None,), TypeError, "got NoneType"),
        (("there/is/none.png",), steplog.UsageError, "No such file"),
        (("a\0b",), steplog.UsageError, "cannot read it"),
        ((os.devnull,), steplog.UsageError, "files alone"),
        (("s3://bucket/a.png",), ValueError, "no references"),
        ((__file__,), steplog.UsageError, "Pillow cannot read it"),
        ((b"no image",), steplog.UsageError, "Pillow cannot read it"),
        ((PIXELS, "XYZ"), steplog.UsageError, "mode must be one of"),
    ],
    ids=str,
)
def test_what_is_no_image_is_refused(arguments, kind, text):
    with pytest.raises(kind, match=text) as caught:
        steplog.Image(*arguments)
    assert isinstance(caught.value, steplog.UsageError)


def nan_box(**position):
    return {"p": {"box_data": [{"position": position, "class_id": 1}]}}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"file_type": "gif"}, "file_type must be"),
        ({"classes": ["car"]}, "classes is a list"),
        ({"boxes": []}, "boxes must be a dict of dicts"),
        ({"boxes": {"p": {}}}, "box_data must be a list"),
        ({"boxes": {"p": {"box_data": [3]}}}, "a box must be a dict"),
        ({"boxes": {"p": {"box_data": [{"position": {"minX": 1}}]}}}, "the position of a box"),
        ({"boxes": nan_box(minX=0, maxX=math.nan, minY=0, maxY=1)}, "all finite numbers"),
        ({"boxes": nan_box(middle=[1, -math.inf], width=1, height=1)}, "all finite numbers"),
        ({"boxes": nan_box(middle=[1, 1], width=math.nan, height=1)}, "all finite numbers"),
        ({"masks": {"p": {}}}, "mask_data, or the path"),
        ({"masks": {"p": {"mask_data": np.zeros((2, 2))}}}, "must be integers"),
        ({"masks": {"p": {"mask_data": np.full((2, 2), 256)}}}, "must be 0 to 255"),
        ({"masks": {"p": {"mask_data": np.zeros((2, 2, 3), int)}}}, r"must be \(H, W\)"),
        ({"masks": {"p": {"path": __file__}}}, "must be a PNG file"),
    ],
    ids=str,
)
def test_arguments_are_checked(arguments, text):
    with pytest.raises(steplog.UsageError, match=text):
        steplog.Image(PIXELS, **arguments)


@pytest.mark.parametrize(
    "change",
    [{"class_id": "1"}, {"scores": {"a": "b"}}, {"scores": 1}, {"box_caption": 3}],
    ids=str,
)
def test_boxes_are_checked(change):
    box = {"position": {"middle": [1, 1], "width": 1, "height": 1}, **change}
    with pytest.raises(TypeError):
        steplog.Image(PIXELS, boxes={"p": {"box_data": [box]}})


def image_with_mask(path):
    return steplog.Image(PIXELS, masks={"m": {"path": str(path)}})


@pytest.mark.parametrize("take", [steplog.Image, image_with_mask])
def test_a_decompression_bomb_is_refused_by_its_header(tmp_path, take):
    path = tmp_path / "bomb.png"
    content = bytearray(png_of(PIL.Image.fromarray(PIXELS)))
    content[16:24] = (30_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)
    before = time.monotonic()
    with pytest.raises(steplog.UsageError, match=r"too large, which may be an attack: .*bomb\.png"):
        take(path)
    assert time.monotonic() - before < 5


def test_what_cannot_be_encoded_costs_only_itself(start, media_of, capfd):
    wide = np.zeros((1, 70_000), np.uint8)  # more than JPEG can
    with start() as run:
        for _ in range(2):
            run.log(
                {
                    "wide": steplog.Image(wide, file_type="jpg"),
                    "fine": steplog.Image(PIXELS),
                    "x": 1,
                }
            )
        run.flush()
        assert run.status()["skipped"] == 2
    assert [sorted(row) for row in rows(run)] == [["fine", "x"]] * 2
    assert len(media_of(run.sync_dir)) == 2
    assert capfd.readouterr().err.count("'wide' is not recorded") == 1


# ---- when it happens ---------------------------------------------------------------------------


class Held(Tensor):
    """A tensor on a device that is not done with it."""

    done = threading.Event()

    def clone(self):
        return self

    def numpy(self):
        assert self.done.wait(30)
        self.read_by = threading.current_thread()
        return self.array


def test_log_returns_before_the_image_is_encoded(start, media_of):
    tensor = Held(PIXELS.transpose(2, 0, 1), "accelerator:0")
    tensor.done = threading.Event()
    with start() as run:
        run.log({"img": steplog.Image(tensor), "x": 1})
        run.log({"x": 2})
        assert (run.status()["deferred"], media_of(run.sync_dir)) == (1, {})
        assert run.summary["x"] == 2
        tensor.done.set()
        run.flush()
        assert run.status()["deferred"] == 0
        assert tensor.read_by is not threading.main_thread()
    first, second = rows(run)
    assert (first["x"], first["img"]["width"], second) == (1, 12, {"x": 2})


def test_pixels_of_cuda_are_copied_behind_the_work_that_computes_them(start, media_of, monkeypatch):
    """With a stand-in for torch: the copy is there when its event has fired."""
    done = threading.Event()
    host: Any = None

    class Cuda(Tensor):
        def __init__(self, array):
            super().__init__(array)
            self.device = types.SimpleNamespace(type="cuda")

    class Host(Tensor):
        def copy_(self, source, *, non_blocking):
            assert non_blocking
            self.source = source

    class Event:
        def __init__(self, *, blocking):
            assert blocking

        def record(self, stream):
            assert stream == "the stream"

        def synchronize(self):
            assert done.wait(30)
            host.array[...] = host.source.array

    def empty(shape, *, dtype, pin_memory):
        assert (dtype, pin_memory) == ("torch.uint8", True)
        nonlocal host
        host = Host(np.zeros(shape, np.uint8))
        return host

    torch: Any = types.ModuleType("torch")
    torch.Tensor, torch.empty = Tensor, empty
    torch.cuda = types.SimpleNamespace(Event=Event, current_stream=lambda _: "the stream")
    monkeypatch.setitem(sys.modules, "torch", torch)
    with start() as run:
        run.log({"img": steplog.Image(Cuda(PIXELS.transpose(2, 0, 1)))})
        assert run.status()["deferred"] == 1
        done.set()
    (content,) = media_of(run.sync_dir).values()
    assert np.array_equal(np.asarray(opened(content)), PIXELS)


def test_what_the_program_writes_afterwards_changes_nothing(start, media_of):
    """The pool is held up until the pixels are overwritten."""
    goes_on = threading.Event()
    pixels, image = PIXELS.copy(), PIL.Image.fromarray(PIXELS)
    boxes = {"position": {"middle": [1, 1], "width": 1, "height": 1}, "class_id": 1}
    mask = np.full((10, 12), 5)
    with start() as run:
        for _ in range(2):
            _later_pool.POOL.submit(lambda: print(goes_on.wait(30), end=""))
        logged = steplog.Image(
            pixels, boxes={"b": {"box_data": [boxes]}}, masks={"m": {"mask_data": mask}}
        )
        run.log({"array": logged, "pillow": steplog.Image(image)})
        pixels[:] = 0
        mask[:] = 0
        boxes["class_id"] = 7
        image.paste(0, (0, 0, 12, 10))
        goes_on.set()
    files = media_of(run.sync_dir)
    (row,) = rows(run)
    for key in ("array", "pillow"):
        assert np.array_equal(np.asarray(opened(files[row[key]["path"]])), PIXELS)
    assert b'"class_id": 1' in files[row["array"]["boxes"]["b"]["path"]]
    assert np.asarray(opened(files[row["array"]["masks"]["m"]["path"]])).max() == 5


def test_the_file_is_in_the_log_before_the_row_names_it(start, records_of):
    with start() as run:
        for number in range(20):
            run.log({"img": steplog.Image(PIXELS // (number + 1))})
    named = set()
    count = 0
    for record in records_of(run.sync_dir):
        if record[0] == 9:
            named.add(record[2])
        text = repr(record)
        if "image-file" in text:
            count += 1
            assert any(name in text for name in named)
    assert count >= 20


KILLED = """
import os, signal, sys, threading, time
import numpy as np
import steplog

run = steplog.init(dir=sys.argv[1], mode="offline", settings={"silent": True})
random = np.random.default_rng(1)
small = random.integers(0, 256, (40, 40, 3), dtype=np.uint8)
large = random.integers(0, 256, (640, 640, 3), dtype=np.uint8)
threading.Timer(float(sys.argv[2]), lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
for number in range(100_000):
    run.log({"small": steplog.Image(small + np.uint8(number)), "n": number})
    if number % 8 == 0:
        run.log({"large": [steplog.Image(large + np.uint8(number))]})
    time.sleep(0.001)
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_after_a_kill_every_row_has_the_files_that_it_names(tmp_path, media_of):
    program = tmp_path / "program.py"
    program.write_text(KILLED)
    seen: set[tuple[int, int]] = set()
    for attempt in range(6):
        root = tmp_path / str(attempt)
        child = subprocess.run(
            [sys.executable, str(program), str(root), str(0.3 + attempt * 0.11)], check=False
        )
        assert child.returncode == -signal.SIGKILL
        (folder,) = (root / "steplog-runs").glob("2*")
        files = media_of(folder)
        found: list[dict[str, Any]] = list(RunLog(folder).rows())
        names = [row["small"]["path"] for row in found if "small" in row]
        names += [name for row in found if "large" in row for name in row["large"]["filenames"]]
        for name in names:
            assert hashlib.sha256(files[name]).hexdigest()[:20] in name
            seen.add(opened(files[name]).size)
    assert seen == {(40, 40), (640, 640)}


def test_a_large_array_takes_no_time_in_the_caller(start):
    pixels = RANDOM.integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    taken = []
    with start() as run:
        for _ in range(5):
            before = time.perf_counter()
            run.log({"img": steplog.Image(pixels)})
            taken.append(time.perf_counter() - before)
            run.flush()
    assert min(taken) < 0.005  # to encode it takes over 50 ms


def test_beyond_the_bound_images_are_encoded_in_the_caller(start, monkeypatch):
    monkeypatch.setattr(_later, "MAX_WAITING_BYTES", PIXELS.nbytes - 1)
    with start() as run:
        run.log({"img": steplog.Image(PIXELS)})
        assert run.status()["deferred"] == 0
    assert rows(run)[0]["img"]["width"] == 12


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_alog_returns_when_file_and_row_are_in_the_log(start, media_of, backend):
    async def main():
        async with start() as run:
            await run.alog({"img": steplog.Image(LARGE), "more": [steplog.Image(PIXELS)] * 2})
            assert run.status()["deferred"] == 0
            (row,) = rows(run)
            files = media_of(run.sync_dir)
            assert row["img"]["path"] in files
            assert row["more"]["count"] == 2
            await run.alog({"img": steplog.Image(PIXELS)}, ack="disk")

    anyio.run(main, backend=backend)


# ---- other ways to run -------------------------------------------------------------------------


def test_a_forked_child_logs_images_of_its_own_and_of_its_parent(start, media_of):
    mine = steplog.Image(PIXELS)
    with start() as run:
        run.log({"parent": mine})
        run.flush()
        child = os.fork()
        if not child:
            try:
                run.log({"child": mine, "large": steplog.Image(LARGE)})
                run.finish()
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
    for folder in pathlib.Path(run.sync_dir, "wal").iterdir():
        found = [name for name in media_of(run.sync_dir) if name]
        assert folder.is_dir()
        assert len(found) == 3
    values = {
        key: row[key] for row in rows(run) for key in ("parent", "child", "large") if key in row
    }
    files = media_of(run.sync_dir)
    assert {key: opened(files[value["path"]]).size for key, value in values.items()} == {
        "parent": (12, 10),
        "child": (12, 10),
        "large": (700, 700),
    }


def test_values_can_be_pickled_as_those_of_a_worker_are(start, media_of):
    mask = RANDOM.integers(0, 9, (10, 12))
    image = steplog.Image(PIXELS, caption="c", masks={"m": {"mask_data": mask}})
    values = (image, steplog.Html("<p>"), steplog.Histogram(np.arange(9999.0), num_bins=3))
    image, page, histogram = pickle.loads(pickle.dumps(values))  # noqa: S301  # our own
    with start() as run:
        run.log({"img": image, "page": page, "histogram": histogram})
    (row,) = rows(run)
    files = media_of(run.sync_dir)
    assert (row["img"]["caption"], row["histogram"]["values"]) == ("c", [3333] * 3)
    assert np.array_equal(np.asarray(opened(files[row["img"]["path"]])), PIXELS)
    assert np.array_equal(np.asarray(opened(files[row["img"]["masks"]["m"]["path"]])), mask)
    assert row["page"]["path"] in files


def test_a_disabled_run_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with steplog.init(mode="disabled") as run:
        run.log({"img": steplog.Image(PIXELS), "many": [steplog.Image(PIXELS)]})
        run.summary["s"] = steplog.Image(PIXELS)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_costs_the_image_alone(start, monkeypatch, capfd):
    def full(*_):
        raise OSError(28, "No space left on device")

    with start() as run:
        monkeypatch.setattr("steplog._blob_folder.BlobFolder.keep", full)
        run.log({"large": steplog.Image(LARGE), "small": steplog.Image(PIXELS), "x": 1})
        run.flush()
        assert (run.status()["lost"], run.status()["skipped"]) == (1, 0)
    assert sorted(rows(run)[0]) == ["small", "x"]
    assert "values are lost: No space left on device" in capfd.readouterr().err


def test_what_is_half_imported_by_another_thread_is_not_used(start, monkeypatch):
    monkeypatch.setitem(sys.modules, "steplog.data.media", types.ModuleType("half"))
    with start() as run:
        run.log({"list": [1, object], "array": np.arange(9999.0)})
        run.flush()
        assert run.status()["skipped"] == 0


def test_import_is_light_and_arrays_need_no_pillow(run_program):
    run_program(
        "import sys, steplog\n"
        "assert not {'PIL', 'numpy', 'steplog.data'} & set(sys.modules)\n"
        "from steplog import Html, Image\n"
        "assert not {'PIL', 'numpy'} & set(sys.modules)\n"
        "import numpy\n"
        "with steplog.init(dir=sys.argv[1], mode='offline') as run:\n"
        "    run.log({'img': Image(numpy.zeros((3, 3)))})\n"
        "assert 'PIL' not in sys.modules\n",
        returncode=0,
    )
