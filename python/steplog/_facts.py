"""What a run is called: its id, name, notes, tags, group and job type."""

from __future__ import annotations

import os
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steplog._names import as_name, as_tags, as_text, check_run_id

if TYPE_CHECKING:
    from typing_extensions import Self

    from steplog._settings import Settings

_ID_LETTERS = string.ascii_lowercase + string.digits
_FAIR_BYTES = 256 // len(_ID_LETTERS) * len(_ID_LETTERS)


def new_id(length: int = 8) -> str:
    """A random id, from the system's source of randomness."""
    letters = ""
    while len(letters) < length:
        # A byte is a letter when all letters stay equally likely.
        fair = [byte for byte in os.urandom(length) if byte < _FAIR_BYTES]
        letters += "".join(_ID_LETTERS[byte % len(_ID_LETTERS)] for byte in fair)
    return letters[:length]


@dataclass(frozen=True)
class Facts:
    """What `init` was told of a run."""

    id: str
    name: str
    notes: str
    tags: tuple[str, ...]
    group: str
    job_type: str

    @classmethod
    def of(
        cls,
        settings: Settings,
        *,
        id: str | None,
        name: object,
        notes: object,
        tags: object,
        group: object,
        job_type: object,
    ) -> Self:
        """The arguments of `init`, and what the settings say for those that are None, checked.

        Raises:
            ArgumentTypeError: One is of a type that cannot be text.
            UsageError: The id cannot be one, a text is over 1 MiB, the name is nothing but control
                characters, a tag is empty, or there are over 1,000.
        """
        run_id = settings.run_id if id is None else id
        run_id = new_id() if run_id is None else run_id
        check_run_id(run_id)
        tags = settings.run_tags if tags is None else tags
        listed = as_tags(tags)
        return cls(
            id=str(run_id),
            name=as_name(settings.run_name if name is None else name) or run_id,
            notes=as_text("notes", settings.run_notes if notes is None else notes),
            tags=listed,
            group=as_text("group", settings.run_group if group is None else group),
            job_type=as_text("job_type", settings.run_job_type if job_type is None else job_type),
        )
