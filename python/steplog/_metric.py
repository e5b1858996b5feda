"""Metric definitions: what `define_metric` takes, checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from steplog._errors import ArgumentTypeError, UsageError
from steplog._names import whole_text

_KEEPS = ("min", "max", "mean", "best", "first", "last", "none")
_GOALS = {"min": "minimize", "max": "maximize"}
_GOAL_LETTERS = 3
_MAX_NAME_BYTES = 1024
"""Of a key, as in rows."""


@dataclass(frozen=True)
class Metric:
    """A definition, as `define_metric` returns it.

    Attributes:
        name: Key; with `*` at its end every key that begins so.
        step_metric: Key of its x axis.
        step_sync: Rows without the step metric are given its latest value.
        hidden: The page draws no chart of it.
        summary: What the summary keeps of it.
        goal: `minimize` or `maximize`.
    """

    name: str
    step_metric: str | None
    step_sync: bool
    hidden: bool
    summary: tuple[str, ...]
    goal: str | None

    def as_record(self) -> dict[str, object]:
        """The definition as the log has it."""
        return {**asdict(self), "summary": list(self.summary)}


def metric_of(
    name: object,
    *,
    step_metric: object,
    step_sync: object,
    hidden: object,
    summary: object,
    goal: object,
) -> Metric:
    """The arguments of `define_metric`, checked.

    Raises:
        ArgumentTypeError: One is of a type that it cannot have.
        UsageError: One cannot be what it is for.
    """
    if isinstance(step_metric, Metric):
        step_metric = step_metric.name
    named = _text("name", name)
    if not named or "*" in named[:-1]:
        raise UsageError(f'a metric is named by a key, or by the begin of one and "*": {named!r}')
    step_named = None if step_metric is None else _text("step_metric", step_metric)
    if step_named is not None and (not step_named or "*" in step_named):
        raise UsageError(f"step_metric must be a key, got {step_named!r}")
    return Metric(
        name=named,
        step_metric=step_named,
        step_sync=_flag("step_sync", step_sync, default=step_named is not None),
        hidden=_flag("hidden", hidden, default=False),
        summary=_kept(summary),
        goal=_goal(goal),
    )


def _text(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise ArgumentTypeError(f"{what} must be text, got {type(value).__name__}")
    value = whole_text(value)
    if len(value.encode()) > _MAX_NAME_BYTES:
        raise UsageError(f"{what} must have at most {_MAX_NAME_BYTES} bytes: {value[:40]!r}…")
    return value


def _flag(what: str, value: object, *, default: bool) -> bool:
    if value is None:
        return default
    if not isinstance(value, bool):
        raise ArgumentTypeError(f"{what} must be true or false, got {type(value).__name__}")
    return value


def _kept(summary: object) -> tuple[str, ...]:
    if summary is None:
        return ()
    kept = [one.strip().lower() for one in _text("summary", summary).split(",")]
    for one in kept:
        if one not in {*_KEEPS, "copy"}:
            raise UsageError(f"summary must be some of {', '.join(_KEEPS)}, got {one!r}")
    if "none" in kept and len(kept) > 1:
        raise UsageError(f'summary "none" leaves the key out, so nothing goes with it: {summary!r}')
    # `copy` is the reference's old word for the last value itself.
    return tuple(dict.fromkeys(one for one in kept if one != "copy"))


def _goal(goal: Any) -> str | None:  # noqa: ANN401  # whatever the user gives
    if goal is None:
        return None
    found = _GOALS.get(_text("goal", goal)[:_GOAL_LETTERS].lower())
    if found is None:
        raise UsageError(f"goal must be minimize or maximize, got {goal!r}")
    return found
