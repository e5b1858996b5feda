"""Artifacts: a dataset, a model trained on it, and a second run that evaluates the model.

Start `steplog server`, then `python examples/artifacts.py`, and look at the project `artifacts`.
Needs scikit-learn for its data.
"""

from __future__ import annotations

import pathlib

import numpy as np
from sklearn.datasets import load_digits

import steplog

PROJECT = "artifacts"
CLASSES = 10


def log_data() -> None:
    """The digits in two files, and some of them to be looked at."""
    digits = load_digits()
    data = steplog.Artifact("digits", "dataset", metadata={"source": "scikit-learn"})
    half = len(digits.target) // 2
    for name, part in (("train", slice(half)), ("test", slice(half, None))):
        with data.new_file(f"{name}.npz", "xb") as file:
            np.savez(file, images=digits.data[part], labels=digits.target[part])
    rows = [
        [int(label), steplog.Image(image / 16)]
        for label, image in zip(digits.target[:20], digits.images[:20], strict=True)
    ]
    data.add(steplog.Table(["label", "image"], rows), "preview")
    with steplog.init(project=PROJECT, job_type="data") as run:
        run.log_artifact(data).wait()


def read(folder: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images, from 0 to 1, and their labels."""
    with np.load(pathlib.Path(folder, f"{name}.npz")) as stored:
        return stored["images"] / 16, stored["labels"]


def train(rate: float) -> float:
    """A softmax classifier: logged with the alias `best` if no other one was better."""
    with steplog.init(project=PROJECT, job_type="train", config={"rate": rate}) as run:
        images, labels = read(run.use_artifact("digits:latest").download(), "train")
        weights = np.zeros((images.shape[1], CLASSES))
        truth = np.eye(CLASSES)[labels]
        for _ in range(50):
            scores = np.exp(images @ weights)
            scores /= scores.sum(axis=1, keepdims=True)
            weights -= rate * images.T @ (scores - truth) / len(labels)
            run.log({"loss": -np.log(scores[truth == 1]).mean()})
        right = float((scores.argmax(axis=1) == labels).mean())
        model = steplog.Artifact("classifier", "model", metadata={"rate": rate, "right": right})
        with model.new_file("weights.npy", "xb") as file:
            np.save(file, weights)
        with steplog.Api() as api:
            name = f"{PROJECT}/classifier:best"
            is_best = not api.artifact_exists(name) or api.artifact(name).metadata["right"] <= right
        run.log_artifact(model, aliases=["best"] if is_best else []).wait()
        return right


def evaluate() -> None:
    """The best model on images that it has not seen."""
    with steplog.init(project=PROJECT, job_type="eval") as run:
        images, labels = read(run.use_artifact("digits:latest").download(), "test")
        weights = np.load(run.use_model("classifier:best") or "")
        right = float(((images @ weights).argmax(axis=1) == labels).mean())
        run.summary["right"] = right
        print(f"{right:.1%} of the images that it has not seen")


def main() -> None:
    """All of it, and what the server has then."""
    log_data()
    for rate in (0.1, 2.0, 0.5):
        print(f"rate {rate}: {train(rate):.1%} of the images that it was trained on")
    evaluate()
    with steplog.Api() as api:
        best = api.artifact(f"{PROJECT}/classifier:best")
        used = ", ".join(run.name for run in best.used_by())
        made = best.logged_by()
        print(f"{best.qualified_name} of {made.name if made else '?'}, used by {used}")


if __name__ == "__main__":
    main()
