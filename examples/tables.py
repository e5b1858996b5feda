"""Tables and charts: generated texts with their scores, and how a classifier of digits does.

Start `steplog server`, then `python examples/tables.py`, and look at the project `tables`.
Needs scikit-learn for its data and model.
"""

from __future__ import annotations

import random
import time
from typing import NamedTuple

from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import steplog

PROMPTS = ("The network learns", "A gradient is", "At step one thousand", "Nobody knew why")
WORDS = (
    *("the", "loss", "falls", "and", "then", "it", "rises", "again"),
    *("because", "a", "small", "rate", "of", "the", "light", "is", "warm"),
)


class Text(NamedTuple):
    """What a model has made of a prompt."""

    prompt: str
    answer: str
    score: float
    tokens: list[str]


def generate(prompt: str, temperature: float) -> Text:
    """Stands for a language model: the colder, the more it repeats itself."""
    kept = WORDS[: max(int(len(WORDS) * temperature), 2)]
    tokens = [random.choice(kept) for _ in range(12)]
    return Text(prompt, " ".join(tokens), len(set(tokens)) / len(tokens), tokens)


def log_texts(run: steplog.Run) -> None:
    """A table of each epoch, and one that grows."""
    columns = ["epoch", *Text._fields]
    history = steplog.Table(columns, log_mode="INCREMENTAL")
    for epoch in range(5):
        texts = [generate(prompt, (epoch + 1) / 5) for prompt in PROMPTS for _ in range(5)]
        for text in texts:
            history.add_data(epoch, *text)
        table = steplog.Table(columns, [[epoch, *text] for text in texts])
        mean = sum(text.score for text in texts) / len(texts)
        run.log({"texts": table, "all_texts": history, "score": mean})
        time.sleep(0.1)


def log_classifier(run: steplog.Run) -> None:
    """What a classifier takes for what: charts, and a table with the images."""
    digits = load_digits()
    split = train_test_split(digits.data, digits.target, test_size=0.5, random_state=0)
    images, others, truth, other_truth = split
    model = LogisticRegression(C=0.001, max_iter=2000).fit(images, truth)
    scores = model.predict_proba(others)
    names = [str(digit) for digit in range(10)]
    predicted = scores.argmax(axis=1)
    wrong = [
        [steplog.Image(others[at].reshape(8, 8) / 16), *pair, float(scores[at].max())]
        for at, pair in enumerate(zip(other_truth.tolist(), predicted.tolist(), strict=True))
        if pair[0] != pair[1]
    ]
    found = [float((predicted == digit)[other_truth == digit].mean()) for digit in range(10)]
    by_digit = steplog.Table(["digit", "found"], list(zip(names, found, strict=True)))
    run.log(
        {
            "confusion": steplog.plot.confusion_matrix(
                y_true=other_truth, preds=predicted, class_names=names
            ),
            "roc": steplog.plot.roc_curve(other_truth, scores, labels=names),
            "pr": steplog.plot.pr_curve(other_truth, scores, labels=names),
            "recall": steplog.plot.bar(by_digit, "digit", "found", title="Found of each digit"),
            "mistakes": steplog.Table(["image", "digit", "taken_for", "score"], wrong),
        }
    )


def main() -> None:
    """Log all of it into one run."""
    with steplog.init(project="tables", config={"C": 0.001}) as run:
        log_texts(run)
        log_classifier(run)


if __name__ == "__main__":
    main()
