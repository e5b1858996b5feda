"""Curves of classifiers: precision over recall, and true over false positives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steplog import _arrays
from steplog._errors import ArgumentTypeError, UsageError
from steplog.data.table import Table
from steplog.plot.chart import CustomChart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["pr_curve", "roc_curve"]

_DIGITS = 3
"""That coordinates are rounded to, as in the reference."""


def pr_curve(  # noqa: PLR0917  # as in the reference
    y_true: Any,  # noqa: ANN401  # of any library
    y_probas: Any,  # noqa: ANN401  # of any library
    labels: Sequence[str] | None = None,
    classes_to_plot: Sequence[Any] | None = None,
    interp_size: int = 21,
    title: str = "Precision-Recall Curve",
    split_table: bool = False,
) -> CustomChart:
    """Precision over recall for each class.

    At each of `interp_size` recalls from 1 to 0 it is the greatest precision that a threshold with
    that recall, or a greater one, has.

    Args:
        y_true: The class of each sample.
        y_probas: Scores (samples, classes), in the order of the sorted classes; or one for each
            sample, of the greater of two classes.
        labels: Names of the classes, when these are integers from 0.
        classes_to_plot: Only these.
        interp_size: How many points a curve has, at least 2.
        title: Of the chart.
        split_table: Whether the table stands apart from the chart.

    Raises:
        ArgumentTypeError: An argument is of a wrong type.
        UsageError: Shapes do not go together, or a score is no number.
    """
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    if interp_size < 2:  # noqa: PLR2004  # both ends
        raise UsageError(f"interp_size must be at least 2, got {interp_size}")
    recalls = np.linspace(1, 0, interp_size)
    rows: list[list[Any]] = []
    for name, is_one, scores in _each_class(
        y_true, y_probas, labels=labels, wanted=classes_to_plot
    ):
        true, false = _counts(is_one, scores)
        if true[-1] == 0:
            continue
        precision, recall = true / (true + false), true / true[-1]
        # The threshold above all scores has precision 1 and recall 0.
        best = np.maximum.accumulate(np.append(1.0, precision)[::-1])[::-1]
        at = np.searchsorted(np.append(0.0, recall), recalls, side="left")
        points = zip(best[at].round(_DIGITS).tolist(), recalls.round(_DIGITS).tolist(), strict=True)
        rows += [[name, *point] for point in points]
    fields = {"x": "recall", "y": "precision", "class": "class"}
    strings = {"title": title, "x-axis-title": "Recall", "y-axis-title": "Precision"}
    return _area(["class", "precision", "recall"], rows, (fields, strings), split_table=split_table)


def roc_curve(  # noqa: PLR0917  # as in the reference
    y_true: Any,  # noqa: ANN401  # of any library
    y_probas: Any,  # noqa: ANN401  # of any library
    labels: Sequence[str] | None = None,
    classes_to_plot: Sequence[Any] | None = None,
    title: str = "ROC Curve",
    split_table: bool = False,
) -> CustomChart:
    """The rate of true positives over that of false ones, for each class.

    Args:
        y_true: The class of each sample.
        y_probas: Scores (samples, classes), in the order of the sorted classes; or one for each
            sample, of the greater of two classes.
        labels: Names of the classes, when these are integers from 0.
        classes_to_plot: Only these.
        title: Of the chart.
        split_table: Whether the table stands apart from the chart.

    Raises:
        ArgumentTypeError: An argument is of a wrong type.
        UsageError: Shapes do not go together, or a score is no number.
    """
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    rows: list[list[Any]] = []
    for name, is_one, scores in _each_class(
        y_true, y_probas, labels=labels, wanted=classes_to_plot
    ):
        true, false = _counts(is_one, scores)
        if true[-1] == 0 or false[-1] == 0:
            continue
        corners = _corners(true, false)
        rates = [
            np.append(0.0, counts[corners] / counts[-1]).round(_DIGITS).tolist()
            for counts in (false, true)
        ]
        # Points that rounding makes one are one.
        points = dict.fromkeys(zip(*rates, strict=True))
        rows += [[name, *point] for point in points]
    fields = {"x": "fpr", "y": "tpr", "class": "class"}
    strings = {
        "title": title,
        "x-axis-title": "False positive rate",
        "y-axis-title": "True positive rate",
    }
    return _area(["class", "fpr", "tpr"], rows, (fields, strings), split_table=split_table)


def _area(
    columns: list[str],
    rows: list[list[Any]],
    settings: tuple[dict[str, str], dict[str, str]],
    *,
    split_table: bool,
) -> CustomChart:
    fields, strings = settings
    return CustomChart(
        Table(columns, rows),
        "wandb/area-under-curve/v0",
        fields=fields,
        string_fields=strings,
        split_table=split_table,
    )


def _counts(is_one: Any, scores: Any) -> tuple[Any, Any]:  # noqa: ANN401  # NumPy
    """True and false positives at each threshold, from the greatest down; equal scores are one."""
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true = np.cumsum(is_one[order], dtype=np.float64)[ends]
    return true, 1 + ends - true


def _corners(true: Any, false: Any) -> Any:  # noqa: ANN401  # NumPy
    """The points of a curve that do not lie on a line between others."""
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    if len(true) <= 2:  # noqa: PLR2004  # the ends
        return np.arange(len(true))
    bends = (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0)
    return np.flatnonzero(np.r_[True, bends, True])


def _each_class(
    y_true: object,
    y_probas: object,
    *,
    labels: Sequence[str] | None,
    wanted: Sequence[Any] | None,
) -> Iterator[tuple[Any, Any, Any]]:
    """For each class its name, which samples are of it, and their scores.

    Raises:
        ArgumentTypeError: An argument is of a wrong type.
        UsageError: Shapes do not go together, or a score is no number.
    """
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    truth, scores = _array("y_true", y_true), _array("y_probas", y_probas)
    if truth.ndim != 1 or not len(truth):
        raise UsageError(f"y_true has a class for each sample, got the shape {truth.shape}")
    if scores.ndim not in {1, 2} or len(scores) != len(truth):
        raise UsageError(
            f"y_probas has scores for each of {len(truth)} samples, got the shape {scores.shape}"
        )
    try:
        scores = scores.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(f"y_probas has numbers: {error}") from error
    if np.isnan(scores).any():
        raise UsageError("y_probas has scores that are NaN")
    classes = np.unique(truth)
    for one, column in _columns_of(classes, scores).items():
        if wanted is None or one in list(wanted):
            yield _name_of(one, labels), truth == one, column


def _columns_of(classes: Any, scores: Any) -> dict[Any, Any]:  # noqa: ANN401  # NumPy
    """The scores of each class that there is."""
    known = classes.tolist()
    if scores.ndim == 1 or scores.shape[1] == 1:
        if len(known) > 2:  # noqa: PLR2004  # one or the other
            raise UsageError(f"y_probas has one score a sample, y_true {len(known)} classes")
        return {known[-1]: scores.reshape(-1)}
    width = scores.shape[1]
    if len(known) == width:
        return {one: scores[:, at] for at, one in enumerate(known)}
    if classes.dtype.kind in "iub" and known[0] >= 0 and known[-1] < width:
        # Some classes have no sample: theirs are the columns that they number.
        return {one: scores[:, int(one)] for one in known}
    raise UsageError(f"y_probas has scores of {width} classes, y_true has {len(known)}")


def _name_of(one: Any, labels: Sequence[str] | None) -> Any:  # noqa: ANN401  # of any type
    if labels is None or not isinstance(one, int):
        return one
    if not 0 <= one < len(labels):
        raise UsageError(f"labels has {len(labels)} names, and none of the class {one}")
    return labels[one]


def _array(what: str, given: Any) -> Any:  # noqa: ANN401  # of any library
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    if given is None:
        raise ArgumentTypeError(f"{what} is missing")
    try:
        return (
            _arrays.as_numpy(_arrays.on_host(given))
            if _arrays.is_array(given)
            else np.asarray(given)
        )
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(f"{what} is an array: {error}") from error
