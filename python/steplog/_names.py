"""What runs may be called: ids, names, tags and other texts, checked. Knows no settings."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping

from steplog._errors import ArgumentTypeError, UsageError
from steplog._terminal import shorten

CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
"""Inside a character class: what neither a name nor a label may hold."""
_MAX_ID_BYTES = 127
_MAX_TEXT_BYTES = 1 << 20
MAX_TAGS = 1_000
_MAX_TAG = 64
_ONLY_CONTROL = re.compile(f"[{CONTROL}]+")
_FORBIDDEN = re.compile(rf"[:;,#?/'\\{CONTROL}]")


def whole_text(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot hold, by U+FFFD."""
    return str(text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


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
    """A run's display name as text; empty when there is none but blanks.

    Raises:
        ArgumentTypeError: It is neither text nor a number.
        UsageError: It is over 1 MiB, or nothing but control characters.
    """
    text = as_text("name", value)
    if text and _ONLY_CONTROL.fullmatch(text):
        raise UsageError("a run's name must not be nothing but control characters")
    return text if text.strip() else ""


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
