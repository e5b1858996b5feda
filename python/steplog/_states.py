"""The states of a run, and how a process's end decides them: one rule for folder and server."""

from __future__ import annotations

STATES = (
    "running",
    "preempting",
    "failed",
    "crashed",
    "killed",
    "preempted",
    "finished",
)
"""The first of these that a process of the run is in is the run's state; without any: pending."""

BAD = frozenset({"failed", "crashed", "killed", "preempted"})
LIVE = frozenset({"running", "preempting"})


def state_of(*, exit_code: int | None, is_live: bool, is_preempting: bool) -> str:
    """The state of one process.

    Args:
        exit_code: From its exit record; negative when a signal ended it; None without one.
        is_live: Whether it lives, if it has no exit record.
        is_preempting: Whether it said that it is about to be preempted.
    """
    if exit_code == 0:
        return "finished"
    if exit_code is None and is_live:
        return "preempting" if is_preempting else "running"
    if is_preempting:
        return "preempted"
    if exit_code is None:
        return "crashed"
    return "killed" if exit_code < 0 else "failed"
