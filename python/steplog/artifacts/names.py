"""What artifacts, their versions and their entries may be called."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steplog._errors import ArgumentTypeError, UsageError
from steplog._names import CONTROL, as_text, whole_text
from steplog._terminal import shorten

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "Place",
    "aliases_of",
    "check_kind",
    "check_name",
    "check_type",
    "entry_path",
    "metadata_of",
    "name_for",
    "tags_of",
]

_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,128}")
_UNFIT = re.compile(r"[^A-Za-z0-9_.\-]")
_MOST_NAME = 128
_VERSION = re.compile(r"v[0-9]+")
_MOST_METADATA = 100
_MOST_TAG = 64
_MOST_ALIASES = 100
_MOST_PATH_BYTES = 1_024
_MOST_PART_BYTES = 255
_FORBIDDEN = re.compile(rf"[\\{CONTROL}]")
_LATEST = "latest"
_LEAST_INT = -(1 << 63)


def check_name(name: object) -> str:
    """The name of an artifact, checked.

    Raises:
        ArgumentTypeError: It is no text.
        UsageError: It is none: W&B's rule is 1 to 128 of A-Z, a-z, 0-9, `_`, `.` and `-`.
    """
    if not isinstance(name, str):
        raise ArgumentTypeError(f"an artifact's name is text, got {type(name).__name__}")
    if not _NAME.fullmatch(name):
        raise UsageError(
            "an artifact's name is 1 to 128 letters, digits, underscores, dots and dashes, got "
            f"{shorten(repr(name), 160)}"
        )
    return name


def name_for(*parts: str) -> str:
    """A name out of texts that may hold what names may not, joined by dashes."""
    return _UNFIT.sub("_", "-".join(parts))[:_MOST_NAME]


def check_type(kind: object) -> str:
    """The type of an artifact, checked.

    Raises:
        ArgumentTypeError: It is no text.
        UsageError: It is empty, too long, W&B's own (`job`, `wandb-…`), or holds `/`, `:` or
            control characters.
    """
    if not isinstance(kind, str):
        raise ArgumentTypeError(f"an artifact's type is text, got {type(kind).__name__}")
    if kind == "job" or kind.startswith("wandb-"):
        raise UsageError(f"the type {kind!r} is W&B's own: job and wandb-… are kept free")
    if not kind.strip() or len(kind) > _MOST_NAME or re.search(rf"[/:\\{CONTROL}]", kind):
        raise UsageError(
            "an artifact's type is 1 to 128 characters, none of them / : \\ or control characters, "
            f"got {shorten(repr(kind), 160)}"
        )
    return kind


def aliases_of(aliases: object) -> list[str]:
    """Aliases, checked; one text is one of them.

    Raises:
        ArgumentTypeError: They are no texts.
        UsageError: One is empty, holds `/` or `:`, or is a version, such as `v3`.
    """
    found = _texts("aliases", aliases)
    if len(found) > _MOST_ALIASES:
        raise UsageError(f"a version has at most {_MOST_ALIASES} aliases, got {len(found)}")
    for alias in found:
        if not alias.strip() or len(alias) > _MOST_NAME or re.search(rf"[/:\\{CONTROL}]", alias):
            raise UsageError(
                "an alias is 1 to 128 characters, none of them / : \\ or control characters, got "
                f"{shorten(repr(alias), 160)}"
            )
        if _VERSION.fullmatch(alias):
            raise UsageError(f"{alias} is a version: those are given by the server")
    return list(dict.fromkeys(found))


def with_latest(aliases: object) -> list[str]:
    """The same, with `latest`, which every version that is logged gets."""
    return list(dict.fromkeys((*aliases_of(aliases), _LATEST)))


def tags_of(tags: object) -> list[str]:
    """Tags, checked; one text is one of them.

    Raises:
        ArgumentTypeError: They are no texts.
        UsageError: One is empty, over 64 characters, or holds control characters.
    """
    found = _texts("tags", tags)
    for tag in found:
        if not tag.strip() or len(tag) > _MOST_TAG or re.search(f"[{CONTROL}]", tag):
            raise UsageError(
                "a tag is 1 to 64 characters, none of them a control character, got "
                f"{shorten(repr(tag), 160)}"
            )
    return list(dict.fromkeys(found))


def _texts(what: str, given: object) -> list[str]:
    several = () if given is None else (given,) if isinstance(given, str) else given
    if not isinstance(several, Iterable) or isinstance(several, (bytes, bytearray, Mapping)):
        raise ArgumentTypeError(f"{what} are texts, got {type(given).__name__}")
    found = list(several)
    if not all(isinstance(one, str) for one in found):
        raise ArgumentTypeError(f"{what} are texts, got {found!r}")
    return found


def metadata_of(metadata: object) -> dict[str, Any]:
    """Metadata as JSON has it, copied; integers over 64 bits are text.

    NaN and infinities stay floats.

    Raises:
        ArgumentTypeError: It is no mapping.
        UsageError: It holds over 100 keys, or what JSON has no form for.
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise ArgumentTypeError(f"metadata is a mapping, got {type(metadata).__name__}")
    if len(metadata) > _MOST_METADATA:
        raise UsageError(f"metadata has at most {_MOST_METADATA} keys, got {len(metadata)}")
    from steplog import _values  # noqa: PLC0415  # with all that it knows of types

    try:
        plain = _values.plain_value(metadata)
        copied: dict[str, Any] = _json_of(plain)
        json.dumps(copied)
    except (_values.NotStorableError, TypeError, ValueError) as error:
        raise UsageError(f"metadata cannot be stored: {error}") from error
    return copied


def _json_of(value: Any) -> Any:  # noqa: ANN401  # plain values
    """A copy, in which what JSON has no number for is text."""
    if isinstance(value, dict):
        return {key: _json_of(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json_of(item) for item in value]
    if isinstance(value, int) and not _LEAST_INT <= value <= -_LEAST_INT - 1:
        return str(value)
    return value


def description_of(description: object) -> str:
    """A description as text; None is empty.

    Raises:
        ArgumentTypeError: It is no text.
        UsageError: It is over 1 MiB.
    """
    return as_text("description", description)


def entry_path(path: object) -> str:
    """The path of an entry, with slashes, checked.

    Raises:
        ArgumentTypeError: It is no text or path.
        UsageError: It is empty, leads out of the artifact, is too long, or no name of files.
    """
    import os  # noqa: PLC0415

    if not isinstance(path, (str, os.PathLike)):
        raise ArgumentTypeError(f"a path in an artifact is text, got {type(path).__name__}")
    text = os.fspath(path)
    if not isinstance(text, str):
        raise ArgumentTypeError("a path in an artifact is text, got bytes")
    parts = [part for part in text.split("/") if part not in {"", "."}]
    found = "/".join(parts)
    if text.startswith("/") or ".." in parts or not found:
        raise UsageError(f"{text!r} is no path in an artifact: it leads out of it, or is empty")
    if _FORBIDDEN.search(found) or found != whole_text(found):
        raise UsageError(f"a path in an artifact holds no \\ and no control characters: {text!r}")
    if len(found.encode()) > _MOST_PATH_BYTES:
        raise UsageError(f"a path in an artifact has at most {_MOST_PATH_BYTES:,} bytes: {text!r}")
    if any(len(part.encode()) > _MOST_PART_BYTES for part in parts):
        raise UsageError(f"a name of a file has at most {_MOST_PART_BYTES} bytes: {text!r}")
    return found


def check_kind(found: str, wanted: str | None, name: str) -> None:
    """See that an artifact is of the type that was asked for.

    Raises:
        UsageError: It is of another one.
    """
    if wanted is not None and found != wanted:
        raise UsageError(f"the artifact {name} is of type {found!r}, not {wanted!r}")


@dataclass(frozen=True)
class Place:
    """Where a version, or a collection, is: as in `entity/project/name:alias`."""

    entity: str
    project: str
    name: str
    ref: str = _LATEST

    @classmethod
    def parse(cls, text: object, *, entity: str, project: str) -> Self:
        """Out of `name`, `name:alias`, `project/name:alias` or `entity/project/name:alias`.

        `entity` and `project` are those of what is not said.

        Raises:
            ArgumentTypeError: It is no text.
            UsageError: It is none of these.
        """
        if not isinstance(text, str):
            raise ArgumentTypeError(f"an artifact is named by text, got {type(text).__name__}")
        bare = text.removeprefix("wandb-artifact://")
        *where, last = bare.split("/")
        name, colon, ref = last.partition(":")
        is_empty = not all((*where, name)) or (bool(colon) and not ref)
        if len(where) > 2 or is_empty or ":" in ref:  # noqa: PLR2004  # entity and project
            raise UsageError(
                "an artifact is name:alias, project/name:alias or entity/project/name:alias, got "
                f"{shorten(repr(text), 200)}"
            )
        check_name(name)
        owner, within = [entity, project, *where][-2:] if len(where) != 1 else [entity, *where]
        return cls(owner, within, name, ref or _LATEST)

    def __str__(self) -> str:
        return f"{self.entity}/{self.project}/{self.name}:{self.ref}"
