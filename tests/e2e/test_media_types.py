"""Videos, sounds, objects and figures: to the server and back, and after a kill."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import wave
from typing import Any

import numpy as np
import PIL.Image
import plotly.graph_objects as go
from matplotlib.figure import Figure

import steplog
from steplog._core import RunLog

RANDOM = np.random.default_rng(8)


def frames_of(content):
    """The frames of a GIF (T, C, H, W)."""
    with PIL.Image.open(io.BytesIO(content)) as image:
        found = []
        for number in range(image.n_frames):
            image.seek(number)
            found.append(np.asarray(image.convert("RGB")))
    return np.stack(found).transpose(0, 3, 1, 2)


def samples_of(content):
    """The samples of a WAV file (n, channels)."""
    with wave.open(io.BytesIO(content)) as opened:
        frames = opened.readframes(opened.getnframes())
        return np.frombuffer(frames, "<i2").reshape(-1, opened.getnchannels())


def test_every_type_comes_to_the_server_and_back(server, online, tmp_path):
    palette = RANDOM.integers(0, 256, (200, 3), dtype=np.uint8)
    clip = palette[RANDOM.integers(0, 200, (4, 9, 11))].transpose(0, 3, 1, 2)
    samples = RANDOM.integers(-32768, 32768, (900_000, 2), dtype=np.int16)
    points = RANDOM.normal(size=(5000, 6)).astype("f4")
    box = steplog.box3d(center=[0, 0, 0], size=[1, 2, 3], orientation=[1, 0, 0, 0], color=[0, 1, 2])
    y = RANDOM.normal(size=3000)
    drawn = Figure()
    drawn.add_subplot().imshow(np.eye(5))
    graph = steplog.Graph()
    graph.add_edge(graph.add_node(id=1), graph.add_node(id=2))
    with online("types") as run:
        run.log(
            {
                "clip": steplog.Video(clip, fps=5),
                "tone": [steplog.Audio(samples, 48_000), steplog.Audio([0.0, 1.0], 8000)],
                "points": steplog.Object3D(points),
                "scene": steplog.Object3D.from_point_cloud(points[:, :3], [box]),
                "molecule": steplog.Molecule(b"ATOM \xff", file_type="pdb"),
                "figure": go.Figure(go.Scatter(y=y)),
                "drawn": drawn,
                "graph": graph,
            }
        )
        run.finish()
        assert run.status()["files_waiting"] == 0
    (row,) = server.rows("types")
    with steplog.Api(server.url, server.key) as api:
        files = {file.name: file for file in api.run("p/types").files()}

        def content(said):
            return files[said["path"]].download(tmp_path / "copy").read_bytes()

        assert np.array_equal(frames_of(content(row["clip"])), clip)
        assert row["clip"]["duration"] == 0.8
        assert np.array_equal(samples_of(content(row["tone"]["audio"][0])), samples)
        assert row["tone"]["durations"] == [18.75, 0.00025]
        found = np.array(json.loads(content(row["points"])), "f4")
        assert np.array_equal(found, points)
        scene = json.loads(content(row["scene"]))
        assert np.array_equal(np.array(scene["points"], "f4"), points[:, :3])
        assert np.array_equal(scene["boxes"][0]["corners"], box["corners"])
        assert content(row["molecule"]) == b"ATOM \xff"
        assert json.loads(content(row["figure"]))["data"][0]["y"] == y.tolist()
        shown = PIL.Image.open(io.BytesIO(content(row["drawn"])))
        assert shown.size == (row["drawn"]["width"], row["drawn"]["height"])
        assert json.loads(content(row["graph"]))["edges"] == [[1, 2]]


PROGRAM = """
import os, signal, sys
import anyio, numpy as np, steplog
from matplotlib.figure import Figure

async def main():
    run = steplog.init(project="p", mode="offline", dir=sys.argv[1], settings={"quiet": True})
    print(run.sync_dir, flush=True)
    drawn = Figure()
    drawn.add_subplot().imshow(np.eye(5))
    await run.alog({
        "clip": steplog.Video(np.zeros((5, 3, 90, 90), np.uint8)),
        "tone": steplog.Audio(np.zeros(900_000), 48_000),
        "points": steplog.Object3D(np.ones((10_000, 3))),
        "drawn": drawn,
    })
    os.kill(os.getpid(), signal.SIGKILL)

anyio.run(main)
"""


def test_what_alog_has_returned_for_is_there_after_a_kill(tmp_path, media_of):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    process = subprocess.run(
        [sys.executable, str(program), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL
    folder = process.stdout.strip()
    (row,) = RunLog(folder).rows()
    files = media_of(folder)
    said: dict[str, Any] = {key: value for key, value in row.items() if not key.startswith("_")}
    assert sorted(said) == ["clip", "drawn", "points", "tone"]
    for value in said.values():
        assert len(files[value["path"]]) == value["size"]
