"""Images and the like in a real browser, against a real server."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import wave
from typing import Any

import bokeh.plotting
import numpy as np
import PIL.Image
import pytest
from tests.e2e.test_browser import WEB, need_browser, run_page

import steplog

RANDOM = np.random.default_rng(8)

# What a page tries that somebody else wrote.
CURIOUS = """<p id="said"></p><script>
const tries = {
  cookie: () => document.cookie,
  storage: () => localStorage.length,
  parent: () => (parent.stolen = parent.document.title),
};
const said = {};
for (const [name, attempt] of Object.entries(tries)) {
  try { attempt(); said[name] = "got it"; } catch (error) { said[name] = error.name; }
}
said.origin = self.origin;
document.getElementById("said").textContent = JSON.stringify(said);
</script>"""

DRAWING = b"""<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20">
<script>document.documentElement.setAttribute("data-ran", "yes")</script>
<rect width="40" height="20" fill="red" onload="parent.stolen = 1"/></svg>"""

TETRAHEDRON = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"

FIGURE = {
    "data": [{"type": "scatter", "y": [1, 3, 2]}, {"type": "bar", "y": [2, 1, 3]}],
    "layout": {"title": {"text": "figure"}},
}


def atoms():
    """Six atoms in a row, as a PDB file."""
    line = "HETATM{0:5}  C   LIG A   1    {1:8.3f}{2:8.3f}{2:8.3f}  1.00  0.00           C"
    return "\n".join(line.format(number + 1, number * 1.4, number % 2) for number in range(6))


def chain():
    """Eight parts of a chain, of each one atom, as a PDB file."""
    line = "ATOM  {0:5}  CA  ALA A{0:4}    {1:8.3f}{2:8.3f}{2:8.3f}  1.00  0.00           C"
    return "\n".join(line.format(number + 1, number * 3.2, 2 * (number % 2)) for number in range(8))


def plot():
    """A figure of Bokeh."""
    figure = bokeh.plotting.figure(width=300, height=200)
    figure.line([1, 2, 3], [1, 4, 9], line_width=6, line_color="#cc0066")
    return figure


def sound():
    """A tenth of a second of a tone, as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes((9000 * np.sin(np.arange(800) / 3)).astype("<i2").tobytes())
    return file.getvalue()


def moving_picture():
    """Three frames, as a GIF."""
    frames = [PIL.Image.fromarray(pixels(8, 8)) for _ in range(3)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


def pixels(*shape):
    return RANDOM.integers(0, 256, (*shape, 3), dtype=np.uint8)


def put(run, kind, name, *, holds, **more):
    """An object with a file, of a kind that needs no more of the SDK than that."""
    writer: Any = run._own_writer()
    path = f"media/{name}"
    writer.put_file(path, holds)
    return {
        "_type": kind,
        "path": path,
        "sha256": hashlib.sha256(holds).hexdigest(),
        "size": len(holds),
        **more,
    }


def boxes():
    """Four boxes of two classes."""
    return [
        {
            "position": {"minX": x / 4, "maxX": x / 4 + 0.2, "minY": 0.1, "maxY": 0.4},
            "class_id": x % 2,
            "scores": {"acc": x / 3},
        }
        for x in range(4)
    ]


def log_one_of_each(run):
    """Steps 0 to 8: histograms at all, images at each fourth, all else at the first."""
    flat = np.full((32, 32, 3), (10, 20, 30), np.uint8)
    points = [[*RANDOM.normal(size=3).tolist(), number % 14 + 1] for number in range(2000)]
    row = {
        "boxes": steplog.Image(
            flat,
            boxes={"found": {"box_data": boxes(), "class_labels": {0: "cat", 1: "dog"}}},
            masks={
                "truth": {
                    "mask_data": np.arange(1024).reshape(32, 32) // 512,
                    "class_labels": {1: "road"},
                }
            },
        ),
        "page": steplog.Html(CURIOUS, inject=False),
        "drawing": put(run, "image-file", "images/x.svg", holds=DRAWING, width=40, height=20),
        "sound": put(run, "audio-file", "audio/x.wav", holds=sound(), sample_rate=8000),
        "clip": put(run, "video-file", "videos/x.gif", holds=moving_picture(), width=8, height=8),
        "figure": put(run, "plotly-file", "plotly/x.json", holds=json.dumps(FIGURE).encode()),
        "mesh": put(run, "object3D-file", "object3D/x.obj", holds=TETRAHEDRON),
        "cloud": put(
            run, "object3D-file", "object3D/x.pts.json", holds=json.dumps(points).encode()
        ),
        "plot": steplog.data_types.Bokeh(plot()),
        "chain": put(run, "molecule-file", "molecule/c.pdb", holds=chain().encode()),
        "molecule": put(run, "molecule-file", "molecule/x.pdb", holds=atoms().encode()),
        "layers": put(
            run, "graph-file", "graph/x.json", holds=b'{"nodes": [{"name": "a"}, {"name": "b"}]}'
        ),
        "other": put(run, "unheard-of", "other/x.bin", holds=b"\0\1\2"),
    }
    for step in range(9):
        if step % 4 == 0:
            row["images"] = [steplog.Image(pixels(24, 24), caption=f"of {step}") for _ in "abc"]
        row["weights"] = steplog.Histogram(RANDOM.normal(step / 4, 1, 500))
        run.log(row)
        row = {}


@pytest.fixture
def media(server, monkeypatch, tmp_path):
    need_browser()
    monkeypatch.setenv("STEPLOG_CONFIG_DIR", server.environ["STEPLOG_CONFIG_DIR"])
    settings = {"base_url": server.url, "quiet": True, "finish_timeout_secs": 60.0}

    def start(name):
        return steplog.init(project="p", dir=str(tmp_path), id=name, name=name, settings=settings)

    return start


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_media_are_looked_at_in_the_browser(server, media):
    for name in "ab":
        with media(name) as run:
            log_one_of_each(run)
    few = [steplog.Image(pixels(16, 16)) for _ in range(100)]
    with media("many") as run:
        for step in range(3):
            run.log({"grid": [few[(number + step) % 100] for number in range(10_000)]})
    run_page(server, "e2e/media.mjs", "p")


# Logs an image for each line that it reads.
IMAGES = """
import sys, numpy, steplog
with steplog.init(project="p", id="grows", settings={"quiet": True}) as run:
    for step, _ in enumerate(sys.stdin):
        run.log({"image": steplog.Image(numpy.full((8, 8), step, numpy.uint8))})
"""


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_new_images_appear_and_a_chosen_step_stays(server, tmp_path):
    need_browser()
    child = server.python(tmp_path, IMAGES, stdin=subprocess.PIPE)

    def log(count):
        child.stdin.write("log\n" * count)
        child.stdin.flush()

    log(2)
    while server.ask("/api/v1/projects/local/p/runs/grows/files")[0] != 200:
        pass
    page = subprocess.Popen(
        ["node", "e2e/mediaLive.mjs", server.url, server.login, "local", "p", "grows"],
        cwd=WEB,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert page.stdout is not None
    assert page.stdout.readline() == "watching\n", page.communicate()[1]
    for expected in ("followed\n", "held\n", "stayed\n"):
        if expected != "held\n":
            log(3)
        assert page.stdout.readline() == expected, page.communicate()[1]
    child.communicate()
    _, errors = page.communicate()
    assert (errors, page.returncode) == ("", 0)


def test_the_page_may_do_what_its_viewers_need_and_no_more(server):
    status, headers, _ = server.ask("/")
    assert status == 200
    policy = dict(re.findall(r"([a-z-]+) ([^;]*)", headers["Content-Security-Policy"]))
    assert "unsafe-eval" not in str(policy)
    assert "unsafe-inline" not in policy["script-src"]
    own = {name: policy[name] for name in ("media-src", "frame-src", "worker-src", "object-src")}
    assert own == {
        "media-src": "'self'",
        "frame-src": "'self'",
        "worker-src": "'self'",
        "object-src": "'none'",
    }
    assert policy["connect-src"] == "'self' blob:"
