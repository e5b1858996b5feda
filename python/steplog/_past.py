"""What a run that goes on has come to before."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from steplog._facts import Facts


@dataclass(frozen=True)
class Past:
    """What a run has come to before.

    Attributes:
        folder: Its latest folder on this machine.
        next_step: The first step after those of this writer's label.
        runtime_nanos: How long it has run.
        generation: Of the attempt that goes on.
        config: Its config.
        summaries: States of its summary, one for each place.
        facts: Name, notes, tags, group and job type.
    """

    folder: Path | None = None
    next_step: int = 0
    runtime_nanos: int = 0
    generation: int = 0
    config: dict[str, object] = field(default_factory=dict)
    summaries: list[bytes] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

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
