"""What a run that goes on has come to before."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from steplog._facts import Facts


@dataclass(frozen=True)
class Moment:
    """A step of a run, after which something goes on."""

    run_id: str
    step: int

    @property
    def next_step(self) -> int:
        """The first step of what goes on."""
        return self.step + 1


@dataclass(frozen=True)
class Past:
    """What a run has come to before.

    Attributes:
        folder: Its latest folder on this machine.
        next_step: The first step after those of this writer's label, and of others that asked for
            it; or where it is to go on.
        first_step: Its first step: that of a fork is behind the moment it was forked from.
        runtime_nanos: How long it has run.
        generation: Of the attempt that goes on.
        writers: Ids of those that it goes on from: of its label, or of the run that is forked.
        config: Its config.
        base: States of what this writer's label has come to, one for each place.
        others: States of what all other writers have.
        forked: The moment of another run that a new one goes on from; None: the run itself goes on.
        facts: Name, notes, tags, group and job type.
        is_running: The server says that it has not ended.
    """

    folder: Path | None = None
    next_step: int = 0
    first_step: int = 0
    runtime_nanos: int = 0
    generation: int = 0
    writers: list[str] = field(default_factory=list)
    config: dict[str, object] = field(default_factory=dict)
    base: list[bytes] = field(default_factory=list)
    others: list[bytes] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    forked: Moment | None = None
    is_running: bool = False

    def complete(self, facts: Facts) -> Facts:
        """What `init` was told, and what was known before of the rest."""
        known = self.facts
        return replace(
            facts,
            name=known.get("name") or facts.name if facts.name == facts.id else facts.name,
            notes=facts.notes or known.get("notes") or "",
            tags=facts.tags or tuple(known.get("tags") or ()),
            group=facts.group or known.get("group") or "",
            job_type=facts.job_type or known.get("job_type") or "",
        )
