"""How often each class is taken for each other."""

from __future__ import annotations

import collections
import itertools
from typing import TYPE_CHECKING, Any

from steplog import _arrays
from steplog._errors import ArgumentTypeError, UsageError
from steplog.data.table import Table
from steplog.plot.chart import CustomChart

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["confusion_matrix"]

_COLUMNS = ["Actual", "Predicted", "nPredictions"]


def confusion_matrix(  # noqa: PLR0917  # as in the reference
    probs: Any = None,  # noqa: ANN401  # of any library
    y_true: Any = None,  # noqa: ANN401  # of any library
    preds: Any = None,  # noqa: ANN401  # of any library
    class_names: Sequence[str] | None = None,
    title: str = "Confusion Matrix Curve",
    split_table: bool = False,
) -> CustomChart:
    """How often each class is predicted where each is true.

    Args:
        probs: Scores (samples, classes): the greatest is the prediction. Or give `preds`.
        y_true: The true class of each sample.
        preds: The predicted ones.
        class_names: Names of the classes, which are then integers from 0; `Class_1` and so on by
            default, in the order of the sorted classes.
        title: Of the chart.
        split_table: Whether the table stands apart from the chart.

    Raises:
        ArgumentTypeError: `y_true` is missing, or neither `probs` nor `preds` is given.
        UsageError: Both are, lengths differ, or a class has no name.
    """
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    if probs is not None and preds is not None:
        raise UsageError("confusion_matrix() takes probs or preds, not both")
    if y_true is None or (probs is None and preds is None):
        raise ArgumentTypeError("confusion_matrix() takes y_true, and probs or preds")
    if probs is not None:
        scores = np.asarray(_arrays.on_host(probs))
        if scores.ndim != 2 or not scores.size:  # noqa: PLR2004  # samples and classes
            raise UsageError(f"probs is (samples, classes), got the shape {scores.shape}")
        preds = scores.argmax(axis=1)
    truth, predicted = (
        np.asarray(_arrays.on_host(one)).ravel().tolist() for one in (y_true, preds)
    )
    if len(truth) != len(predicted):
        raise UsageError(f"there are {len(truth)} true and {len(predicted)} predicted classes")
    found = {*truth, *predicted}
    if class_names is None:
        classes = sorted(found)
        names = [f"Class_{at + 1}" for at in range(len(classes))]
    else:
        names = [str(name) for name in class_names]
        classes = list(range(len(names)))
        for one in found:
            if one not in classes:
                raise UsageError(f"class {one!r} is none of 0 to {len(names) - 1}, of class_names")
    counts = collections.Counter(zip(truth, predicted, strict=True))
    rows = [
        [names[of], names[at], float(counts[one, other])]
        for (of, one), (at, other) in itertools.product(enumerate(classes), repeat=2)
    ]
    return CustomChart(
        Table(_COLUMNS, rows),
        "wandb/confusion_matrix/v1",
        fields={name: name for name in _COLUMNS},
        string_fields={"title": title},
        split_table=split_table,
    )
