"""Everything that can be looked at and listened to, in one run.

Start `steplog server`, then `python examples/media.py`, and look at the run in the project `media`.
Needs `pip install 'steplog[media]' matplotlib scikit-learn`; the photograph is scikit-learn's.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import load_sample_image

import steplog

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 44_100
SIDE, RADIUS = 96, 9
REGIONS = 4


def sweep(seconds: float = 3.0) -> NDArray[np.float32]:
    """A tone that rises from 200 Hz to 2 kHz, louder and softer."""
    times = np.linspace(0, seconds, int(RATE * seconds), endpoint=False)
    rise = np.log(10) / seconds
    phase = 2 * np.pi * 200 * np.expm1(rise * times) / rise
    return (0.6 * np.sin(phase) * np.sin(np.pi * times / seconds)).astype(np.float32)


def bouncing_ball(frames: int = 90) -> NDArray[np.uint8]:
    """A ball that loses some height each time, as (T, C, H, W)."""
    y, x = np.mgrid[:SIDE, :SIDE]
    clip = np.full((frames, 3, SIDE, SIDE), 245, np.uint8)
    height, speed = 70.0, 0.0
    for frame in clip:
        speed -= 0.5
        height += speed
        if height < RADIUS:
            height, speed = float(RADIUS), -0.85 * speed
        is_ball = (x - SIDE / 2) ** 2 + (SIDE - height - y) ** 2 < RADIUS**2
        frame[:, is_ball] = np.array([[200], [60], [40]], np.uint8)
    return clip


def torus(count: int = 20_000) -> NDArray[np.float32]:
    """Points (n, 6) on a torus, coloured by their place."""
    around, across = np.random.default_rng(1).uniform(0, 2 * np.pi, (2, count))
    ring = 2 + 0.7 * np.cos(across)
    places = [ring * np.cos(around), ring * np.sin(around), 0.7 * np.sin(across)]
    colors = [128 + 127 * np.cos(around), 128 + 127 * np.sin(across), np.full(count, 160)]
    return np.column_stack(places + colors).astype(np.float32)


def segmented(step: int) -> steplog.Image:
    """A photograph with the regions that k-means finds by colour, after some batches."""
    photo = load_sample_image("flower.jpg")[::2, ::2]
    pixels = photo.reshape(-1, 3).astype(float)
    found = MiniBatchKMeans(REGIONS, max_iter=step + 1, n_init=1, random_state=0).fit(pixels)
    names = {number: f"region {number}" for number in range(REGIONS)}
    mask = found.labels_.reshape(photo.shape[:2])
    return steplog.Image(
        photo,
        caption=f"after {step + 1} passes",
        masks={"regions": {"mask_data": mask, "class_labels": names}},
    )


def drawn(losses: list[float]) -> Figure:
    """A figure of matplotlib that becomes an image: it has a filled area."""
    figure = Figure(figsize=(6, 3))
    axes = figure.add_subplot()
    axes.plot(losses)
    axes.fill_between(range(len(losses)), losses, alpha=0.2)
    axes.set(xlabel="step", ylabel=r"loss $\ell$", title="loss")
    return figure


async def main() -> None:
    """Log one row a step, and what takes long beside the loop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", default="media")
    parser.add_argument("--steps", type=int, default=5)
    arguments = parser.parse_args()
    losses: list[float] = []
    box = steplog.box3d(
        center=[2, 0, 0], size=[1.6, 1.6, 1.6], orientation=[1, 0, 0, 0], color=[255, 0, 0]
    )
    with steplog.init(project=arguments.project) as run:
        for step in range(arguments.steps):
            losses.append(1 / (step + 1))
            angles = np.linspace(0, 2 * np.pi, 400)
            curve = go.Figure(go.Scatter(x=np.cos((step + 1) * angles), y=np.sin(angles)))
            await run.alog(
                {
                    "loss": losses[-1],
                    "photo": segmented(step),
                    "curve": curve,
                    "figure": drawn(losses),
                }
            )
        await run.alog(
            {
                "sweep": steplog.Audio(sweep(), RATE, caption="200 Hz to 2 kHz"),
                "ball": steplog.Video(bouncing_ball(), fps=30),
                "ball mp4": steplog.Video(bouncing_ball(), fps=30, format="mp4"),
                "torus": steplog.Object3D(torus()),
                "scene": steplog.Object3D.from_point_cloud(torus()[:, :3], [box]),
            }
        )


if __name__ == "__main__":
    asyncio.run(main())
