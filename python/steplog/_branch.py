"""Going back: a run that goes on behind an earlier step of its own, or of another run."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from steplog import _resume
from steplog._errors import ArgumentTypeError, UsageError
from steplog._facts import new_id
from steplog._names import check_run_id
from steplog._past import Moment

if TYPE_CHECKING:
    from steplog._facts import Facts
    from steplog._past import Past
    from steplog._settings import Settings

_MOMENT = re.compile(r"(?P<run>[^?]+)\?_step=(?P<step>[0-9]{1,18})")


@dataclass(frozen=True)
class Back:
    """What `init` is told of going back.

    Attributes:
        argument: `resume_from` or `fork_from`.
        moment: Behind which the run goes on.
    """

    argument: str
    moment: Moment

    @classmethod
    def of(cls, resume: str, **arguments: object) -> Back | None:
        """The one of `resume_from` and `fork_from` that is given, checked.

        Raises:
            ArgumentTypeError: It is not text.
            UsageError: It is not of the form `RUN?_step=N`; several ways to go on are given.
        """
        given = {name: value for name, value in arguments.items() if value not in (None, "")}
        if not given:
            return None
        names = [*(["resume"] if resume else []), *given]
        if len(names) > 1:
            raise UsageError(f"{' and '.join(names)} cannot be given together")
        ((name, value),) = given.items()
        return cls(name, _moment_of(name, value))

    @property
    def is_fork(self) -> bool:
        """Whether another run goes on, rather than the same."""
        return self.argument == "fork_from"

    def id_of(self, run_id: str | None) -> str:
        """The run's id, which may be given as well; of a fork a new one when none is.

        Raises:
            UsageError: The id that is given cannot be that of the run.
        """
        if self.is_fork and run_id == self.moment.run_id:
            raise UsageError(
                f"fork_from starts another run, so its id cannot be {run_id!r}; "
                "resume_from goes on with that one"
            )
        if not self.is_fork and run_id not in (None, self.moment.run_id):
            raise UsageError(
                f"resume_from goes on with the run {self.moment.run_id!r}, so the id cannot be "
                f"{run_id!r}; fork_from starts another one"
            )
        return (new_id() if run_id is None else run_id) if self.is_fork else self.moment.run_id

    def find(self, settings: Settings, facts: Facts) -> tuple[Past, str]:
        """What the run had come to, and a warning or nothing.

        Raises:
            UsageError: There is no such run, or it has no such step; it still runs, and is to go
                on itself.
            ServerError: Only the server could know, which cannot be asked.
        """
        whose = replace(facts, id=self.moment.run_id)
        past, warning = _resume.find(
            settings, whose, "must", moment=self.moment, is_fork=self.is_fork
        )
        past = _at(past, self.moment, warning)
        if self.is_fork:
            past = replace(past, folder=None, facts={}, forked=self.moment, runtime_nanos=0)
        return past, warning


def _moment_of(name: str, moment: object) -> Moment:
    if not isinstance(moment, str):
        raise ArgumentTypeError(f"{name} must be text, got {type(moment).__name__}")
    found = _MOMENT.fullmatch(moment)
    if found is None:
        raise UsageError(
            f'{name} must be a run and a step of it, such as "a1b2c3?_step=200", got {moment!r}'
        )
    check_run_id(found["run"])
    return Moment(found["run"], int(found["step"]))


def _at(past: Past | None, moment: Moment, warning: str) -> Past:
    known = f"; {warning}" if warning else ""
    if past is None or moment.next_step > past.next_step:
        last = "" if past is None else f", its last is {past.next_step - 1}"
        raise UsageError(f"the run {moment.run_id} has no step {moment.step}{last}{known}")
    if moment.next_step < past.first_step:
        raise UsageError(
            f"what is known of the run {moment.run_id} begins at step {past.first_step}: if it is "
            f"a fork, go back in the run that it was forked from{known}"
        )
    return replace(past, next_step=moment.next_step)
