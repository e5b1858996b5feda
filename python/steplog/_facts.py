"""What a run is called: its id, name, notes, tags, group and job type, checked."""

from __future__ import annotations

import enum
import os
import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steplog._errors import ArgumentTypeError, UsageError
from steplog._settings import CONTROL
from steplog._terminal import shorten
from steplog._values import whole_text

if TYPE_CHECKING:
    from typing_extensions import Self

    from steplog._settings import Settings

_ID_LETTERS = string.ascii_lowercase + string.digits
_FAIR_BYTES = 256 // len(_ID_LETTERS) * len(_ID_LETTERS)
_MAX_ID_BYTES = 127
_MAX_TEXT_BYTES = 1 << 20
MAX_TAGS = 1_000
_MAX_TAG = 64
_ONLY_CONTROL = re.compile(f"[{CONTROL}]+")
_FORBIDDEN = re.compile(rf"[:;,#?/'\\{CONTROL}]")


def new_id(length: int = 8) -> str:
    """A random id, from the system's source of randomness."""
    letters = ""
    while len(letters) < length:
        # A byte is a letter when all letters stay equally likely.
        fair = [byte for byte in os.urandom(length) if byte < _FAIR_BYTES]
        letters += "".join(_ID_LETTERS[byte % len(_ID_LETTERS)] for byte in fair)
    return letters[:length]


def check_run_id(run_id: str) -> None:
    """Check a run id.

    Raises:
        ArgumentTypeError: It is not text.
        UsageError: It is empty, too long, or holds a character that URLs or folders could not.
    """
    if not isinstance(run_id, str):
        raise ArgumentTypeError(f"the run id must be text, got {type(run_id).__name__}")
    if run_id != run_id.strip() or run_id in {"", ".", ".."} or _FORBIDDEN.search(run_id):
        raise UsageError(
            f"the run id {shorten(repr(run_id), 60)} must not be empty, a dot path, padded, or "
            "hold : ; , # ? / ' \\ or control characters"
        )
    if len(run_id.encode()) > _MAX_ID_BYTES:
        raise UsageError(f"the run id {shorten(run_id, 40)!r} is over {_MAX_ID_BYTES} bytes")


def as_text(what: str, value: object) -> str:
    """A fact as text: None is empty, a number is spelled.

    Raises:
        ArgumentTypeError: It is neither text nor a number.
        UsageError: It is over 1 MiB.
    """
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None:
        return ""
    if isinstance(value, str):
        text = whole_text(value)
        if len(text.encode()) > _MAX_TEXT_BYTES:
            raise UsageError(f"{what} is over 1 MiB")
        return text
    if isinstance(value, (int, float)):
        return str(value)
    raise ArgumentTypeError(f"{what} must be text, got {type(value).__name__}")


def as_name(value: object) -> str:
    """A run's display name as text; empty when there is none.

    Raises:
        ArgumentTypeError: It is neither text nor a number.
        UsageError: It is over 1 MiB, or nothing but control characters.
    """
    text = as_text("name", value)
    if text and _ONLY_CONTROL.fullmatch(text):
        raise UsageError("a run's name must not be nothing but control characters")
    return text


def as_tags(tags: object) -> tuple[str, ...]:
    """Tags as texts; one text is one tag.

    Raises:
        ArgumentTypeError: They are no texts.
        UsageError: One is empty or over 64 characters, or there are over 1,000.
    """
    several = () if tags is None else (tags,) if isinstance(tags, str) else tags
    if not isinstance(several, Iterable) or isinstance(several, (bytes, bytearray, Mapping)):
        raise ArgumentTypeError(f"tags must be texts, got {type(tags).__name__}")
    listed = tuple(as_text("a tag", tag) for tag in several)
    if "" in listed:
        raise UsageError("a tag must not be empty")
    for tag in listed:
        if len(tag) > _MAX_TAG:
            raise UsageError(f"a tag has at most {_MAX_TAG} characters, got {len(tag)}: {tag!r}")
    if len(listed) > MAX_TAGS:
        raise UsageError(f"a run has at most {MAX_TAGS:,} tags, got {len(listed):,}")
    return listed


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
