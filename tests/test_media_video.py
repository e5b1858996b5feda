"""Videos in a run's log."""

from __future__ import annotations

import hashlib
import io
import os
import sys
from typing import Any

import av
import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

import steplog
from steplog._core import RunLog
from steplog.data import gif, movie

RANDOM = np.random.default_rng(3)
PALETTE = RANDOM.integers(0, 256, (256, 3), dtype=np.uint8)
FRAMES = PALETTE[RANDOM.integers(0, 256, (5, 10, 12))].transpose(0, 3, 1, 2)


@pytest.fixture
def logged(start, media_of):
    """Logs a value; gives what its row says, and the files."""

    def log(value, **settings):
        with start(settings={"strict": True, **settings}) as run:
            run.log({"clip": value})
        (row,) = RunLog(run.sync_dir).rows()
        return row["clip"], media_of(run.sync_dir)

    return log


def frames_of(content):
    """The frames of a GIF."""
    with PIL.Image.open(io.BytesIO(content)) as image:
        for number in range(image.n_frames):
            image.seek(number)
            yield np.asarray(image.convert("RGB"))


def decoded(content):
    """The frames of any other file."""
    with av.open(io.BytesIO(content)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_a_video_is_what_the_reference_makes_of_it(logged):
    video = steplog.Video(FRAMES, caption="c")
    value, files = logged(video)
    (content,) = files.values()
    sha256 = hashlib.sha256(content).hexdigest()
    assert value == {
        "_type": "video-file",
        "path": f"media/videos/clip_0_{sha256[:20]}.gif",
        "sha256": sha256,
        "size": len(content),
        "width": 12,
        "height": 10,
        "caption": "c",
        "fps": 4,
        "duration": 1.25,
    }
    assert (video.format, video.width, video.height) == ("gif", 12, 10)
    found = np.stack(list(frames_of(content))).transpose(0, 3, 1, 2)
    assert np.array_equal(found, FRAMES)
    assert PIL.Image.open(io.BytesIO(content)).info["loop"] == 0


def test_a_list_has_captions_when_any_has_one(logged):
    value, files = logged([steplog.Video(FRAMES), steplog.Video(FRAMES, caption="b")])
    assert (value["_type"], value["count"], value["captions"]) == ("videos", 2, [None, "b"])
    assert [video["_type"] for video in value["videos"]] == ["video-file"] * 2
    assert len(files) == 1
    assert logged([steplog.Video(FRAMES)])[0]["captions"] is False


def test_equal_frames_are_frames(logged):
    _, files = logged(steplog.Video(np.zeros((3, 1, 4, 4), np.uint8)))
    assert len(list(frames_of(*files.values()))) == 3


def test_many_colors_are_near(logged):
    noise = RANDOM.integers(0, 256, (2, 3, 40, 50), dtype=np.uint8)
    _, files = logged(steplog.Video(noise))
    found = np.stack(list(frames_of(*files.values()))).transpose(0, 3, 1, 2)
    assert np.abs(found.astype(int) - noise).mean() < 20


@pytest.mark.parametrize(
    ("count", "rows", "columns"),
    [(1, 1, 1), (2, 1, 2), (3, 1, 4), (4, 2, 2), (5, 2, 4), (9, 2, 8), (16, 4, 4)],
)
def test_a_batch_is_tiled_as_in_the_reference(logged, *, count, rows, columns):
    batch = RANDOM.integers(2, 256, (count, 2, 1, 3, 5), dtype=np.uint8)
    value, files = logged(steplog.Video(batch))
    assert (value["width"], value["height"]) == (columns * 5, rows * 3)
    for time, frame in enumerate(frames_of(*files.values())):
        for number in range(rows * columns):
            top, left = number // columns * 3, number % columns * 5
            tile = frame[top : top + 3, left : left + 5, 0]
            assert np.array_equal(tile, batch[number, time, 0] if number < count else tile * 0)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([0.0, 0.5, 1.0]), [0, 128, 255]),
        (np.array([-1.0, 0, 1]), [0, 128, 255]),
        (np.array([0, 1], np.uint8), [0, 255]),
        (np.array([False, True]), [0, 255]),
        (np.array([0, 200], np.int64), [0, 200]),
        (np.array([-5.0, 3, 900, np.nan]), [0, 3, 255, 0]),
        (np.array([5, 300], np.uint16), [5, 255]),
    ],
)
def test_values_become_bytes_as_an_images_do(start, media_of, *, array, expected):
    with start() as run:
        run.log({"clip": steplog.Video(array.reshape(1, 1, 1, -1))})
    (frame,) = frames_of(*media_of(run.sync_dir).values())
    assert frame[0, :, 0].tolist() == expected


@pytest.mark.parametrize("format", ["mp4", "webm"])
@pytest.mark.parametrize("size", [(16, 16), (33, 51)])
@pytest.mark.parametrize("channels", [1, 3])
def test_other_formats_are_written_also_of_odd_sizes(logged, *, format, size, channels):
    height, width = size
    ramp = np.linspace(0, 255, width).astype(np.uint8)
    frames = np.broadcast_to(ramp, (6, channels, height, width))
    value, files = logged(steplog.Video(frames, fps=2.5, format=format))
    (content,) = files.values()
    found = decoded(content)
    assert value["path"].endswith(f".{format}")
    assert (value["width"], value["height"]) == (width + width % 2, height + height % 2)
    assert found.shape == (6, value["height"], value["width"], 3)
    shown = found[:, :height, :width].transpose(0, 3, 1, 2).astype(int)
    assert np.abs(shown - np.broadcast_to(ramp, shown.shape)).mean() < 12
    assert (value["fps"], value["duration"]) == (2.5, 2.4)
    facts: Any = movie.facts(content)
    assert (facts.width, facts.height) == (value["width"], value["height"])
    assert facts.duration == pytest.approx(2.4, abs=0.05)


def test_files_are_kept_as_they_are(logged, tmp_path):
    made: dict[str, bytes] = {
        "gif": gif.encode(list(FRAMES.transpose(0, 2, 3, 1)), [10] * 5),
        "mp4": movie.encode(list(FRAMES.transpose(0, 2, 3, 1)), (12, 10), format="mp4", fps=5),
        "webm": movie.encode(list(FRAMES.transpose(0, 2, 3, 1)), (12, 10), format="webm", fps=5),
        "ogg": b"what is no video says nothing",
    }
    for kind, content in made.items():
        path = tmp_path / f"clip.{kind}"
        path.write_bytes(content)
        ways: list[Any] = [path, str(path), io.BytesIO(content), content]
        videos = [
            steplog.Video(way, format=kind if kind == "ogg" and way is not path else None)
            for way in ways
        ]
        path.unlink()
        value, files = logged(videos)
        assert list(files.values()) == [content]
        for video in value["videos"]:
            assert video["path"].endswith(f".{kind}")
            if kind != "ogg":
                assert (video["width"], video["height"]) == (12, 10)
                assert video["duration"] == pytest.approx(0.5 if kind == "gif" else 1, abs=0.05)
                assert video["fps"] == pytest.approx(10 if kind == "gif" else 5)


def test_frames_a_second_of_a_file_are_not_used(start, capfd):
    content = gif.encode(list(FRAMES.transpose(0, 2, 3, 1)), [10] * 5)
    with start(settings={"quiet": False}) as run:
        run.log({"clip": steplog.Video(content, fps=3)})
    assert "fps is not used" in capfd.readouterr().err


def test_gif_plays_at_most_fifty_frames_a_second(start, capfd):
    with start(settings={"quiet": False}) as run:
        run.log({"clip": steplog.Video(FRAMES, fps=200)})
    rows: list[Any] = list(RunLog(run.sync_dir).rows())
    (row,) = rows
    assert (row["clip"]["fps"], row["clip"]["duration"]) == (50, 0.1)
    assert "at most 50 frames" in capfd.readouterr().err


@given(st.integers(1, 200), st.floats(0.01, 50))
def test_frames_show_as_long_as_they_should(count, fps):
    waits = gif.delays(count, fps)
    assert all(wait >= 2 for wait in waits)
    if fps > 0.1:
        assert abs(sum(waits) / 100 - count / fps) <= 0.011


@given(st.binary(max_size=60), st.integers(0, 400))
def test_a_torn_or_hostile_gif_is_read_to_an_end(rest, cut):
    content = gif.encode([np.zeros((3, 4), np.uint8)] * 3, [4] * 3)
    for hostile in (content[:cut], content[:cut] + rest, b"GIF89a" + rest):
        found = gif.timing(hostile)
        assert found is None or found.frames > 0
    assert gif.timing(content) == (4, 3, 3, 0.12)


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ((np.zeros((3, 4, 4)),), steplog.UsageError, "time, channels"),
        ((np.zeros((2, 8, 8, 3)),), steplog.UsageError, r"array.transpose\(0, 3, 1, 2\)"),
        ((np.zeros((1, 2, 8, 8, 3)),), steplog.UsageError, r"array.transpose\(0, 1, 4, 2, 3\)"),
        ((np.zeros((0, 3, 4, 4)),), steplog.UsageError, "no frames"),
        ((np.zeros((0, 2, 3, 4, 4)),), steplog.UsageError, "no frames"),
        ((np.zeros((2, 3, 0, 4)),), steplog.UsageError, "no pixels"),
        ((np.broadcast_to(np.uint8(0), (10**9, 3, 4, 4)),), steplog.UsageError, "over 2 GiB"),
        ((np.broadcast_to(np.uint8(0), (1, 3, 10**6, 10**6)),), steplog.UsageError, "pixels"),
        ((np.broadcast_to(np.uint8(0), (1, 3, 1, 10**5)),), steplog.UsageError, "65,535"),
        ((np.array([["a"]]).reshape(1, 1, 1, 1),), TypeError, "numbers"),
        ((np.zeros((1, 3, 4, 4), complex),), TypeError, "numbers"),
        ((FRAMES, None, "x"), TypeError, "fps"),
        ((FRAMES, None, 0), steplog.UsageError, "fps"),
        ((FRAMES, None, float("nan")), steplog.UsageError, "fps"),
        ((FRAMES, None, None, "avi"), steplog.UsageError, "format"),
        ((FRAMES, None, None, "ogg"), steplog.UsageError, "gif, mp4 or webm"),
        (("none.mp4",), steplog.UsageError, "No such file"),
        ((__file__,), steplog.UsageError, "gif, mp4, webm, ogg"),
        ((b"GIF8",), None, ""),
        ((b"what is this",), steplog.UsageError, "give the format"),
        ((None,), TypeError, "NoneType"),
        ((io.StringIO("x"),), steplog.UsageError, "give the format"),
        (("https://a/b.mp4",), steplog.UsageError, "no references"),
    ],
)
def test_what_is_no_video_is_refused(arguments, kind, text):
    if kind is None:
        steplog.Video(*arguments)
        return
    with pytest.raises(kind, match=text) as caught:
        steplog.Video(*arguments)
    assert isinstance(caught.value, ValueError)


def test_a_pipe_holds_nobody_up(tmp_path):
    os.mkfifo(tmp_path / "clip.mp4")
    with pytest.raises(steplog.UsageError, match="files alone"):
        steplog.Video(tmp_path / "clip.mp4")


def test_without_pyav_the_error_names_the_extra(monkeypatch, logged):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(steplog.UsageError, match=r"steplog\[media\]"):
        steplog.Video(FRAMES, format="mp4")
    value, _ = logged([steplog.Video(FRAMES), steplog.Video(b"", format="mp4")])
    assert [video.get("width") for video in value["videos"]] == [12, None]


def test_what_the_program_writes_afterwards_changes_nothing(logged):
    frames = FRAMES.copy()
    video = steplog.Video(frames)
    frames[:] = 0
    _, files = logged(video)
    found = np.stack(list(frames_of(*files.values()))).transpose(0, 3, 1, 2)
    assert np.array_equal(found, FRAMES)
