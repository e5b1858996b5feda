"""Who a run is, and a writer of it: its start record and a request's path, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steplog.server.schema import (
    MAX_INT64,
    Code,
    Problem,
    check_project,
    check_run,
    check_writer,
)
from steplog.server.store.writers import Identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

_MAX_GENERATION = (1 << 32) - 1


def identity_of(start: Mapping[str, object]) -> Identity:
    """A run start record, checked.

    Raises:
        Problem: A field of it is not what it must be.
    """

    def text(name: str) -> str:
        value = start.get(name, "")
        if not isinstance(value, str):
            raise Problem(Code.MALFORMED, f"the run's {name} is not text", field=name)
        return value

    def number(name: str) -> int:
        value = start.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_INT64:
            raise Problem(Code.MALFORMED, f"the run's {name} is not a number", field=name)
        return value

    def texts(name: str) -> list[str]:
        value = start.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise Problem(Code.MALFORMED, f"the run's {name} are not a list of texts", field=name)
        return value

    forked_run, forked_step = _forked(start.get("forked"))
    return Identity(
        name=text("name"),
        notes=text("notes"),
        tags=texts("tags"),
        group=text("group"),
        job_type=text("job_type"),
        label=text("label"),
        parent=check_writer(text("parent")) if text("parent") else "",
        resumed=start.get("resumed") is True,
        follows=texts("follows"),
        generation=min(number("generation"), _MAX_GENERATION),
        start_step=number("start_step"),
        forked_run=forked_run,
        forked_step=forked_step,
        wall_nanos=number("wall_nanos"),
    )


def _forked(forked: object) -> tuple[str, int]:
    """The run that one is a fork of, and the step behind which it goes on."""
    if forked is None:
        return "", -1
    run = forked.get("run") if isinstance(forked, dict) else None
    step = forked.get("step") if isinstance(forked, dict) else None
    is_step = isinstance(step, int) and not isinstance(step, bool) and 0 <= step <= MAX_INT64
    if not isinstance(run, str) or not isinstance(step, int) or not is_step:
        raise Problem(Code.MALFORMED, "the run is a fork of no run and step", field="forked")
    return check_run(run), step


def writer_of(request: web.Request) -> tuple[str, str, str, str]:
    """Entity, project, run and writer of a request's path, checked.

    Raises:
        Problem: One of them cannot be that.
    """
    match = request.match_info
    return (
        check_project(match["entity"], field="entity"),
        check_project(match["project"]),
        check_run(match["run"]),
        check_writer(match["writer"]),
    )


__all__ = ["identity_of", "writer_of"]
