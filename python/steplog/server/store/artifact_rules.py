"""What artifacts may be called and say: names, aliases, tags, metadata, checked."""

from __future__ import annotations

import re
from typing import Any

from steplog._names import CONTROL
from steplog.server.schema import MAX_INT64, MAX_NESTING, SHA256, Code, Problem, check_project
from steplog.server.store.exact import pack

MAX_ALIASES = 100
"""Of one version."""
MAX_TAGS = 1_000
MAX_METADATA_KEYS = 100
_MAX_METADATA_BYTES = 1 << 20
_MAX_TEXT_BYTES = 1 << 20
_MAX_WORD = 128
_MAX_TAG = 64

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_KEY = re.compile(r"[A-Za-z0-9]{16,128}")
_MD5 = re.compile(r"[0-9a-f]{32}")
_VERSION = re.compile(r"v(0|[1-9][0-9]{0,17})")
_CONTROL = re.compile(f"[{CONTROL}]")


def _wrong(field: str, detail: str) -> Problem:
    return Problem(Code.INVALID, detail, field=field)


def check_name(value: object, *, field: str = "name") -> str:
    """The name of a collection, if it is one.

    Raises:
        Problem: It is not.
    """
    if not isinstance(value, str) or not _NAME.fullmatch(value) or value in {".", ".."}:
        raise _wrong(field, f"`{field}` is 1 to {_MAX_WORD} characters of A-Z a-z 0-9 _ . -")
    return value


def check_key(value: object, *, field: str = "id") -> str:
    """The id of an artifact, if it is one.

    Raises:
        Problem: It is not.
    """
    if not is_key(value):
        raise _wrong(field, f"`{field}` is 16 to {_MAX_WORD} characters of A-Z a-z 0-9")
    return str(value)


def is_key(value: object) -> bool:
    """Whether it may be the id of an artifact."""
    return isinstance(value, str) and _KEY.fullmatch(value) is not None


def version_number(text: str) -> int | None:
    """The number of a version such as `v3`; None for what is none."""
    return int(text[1:]) if _VERSION.fullmatch(text) else None


def _check_word(value: object, *, field: str, forbidden: str) -> str:
    is_text = isinstance(value, str) and value.strip() not in {"", ".", ".."}
    if not isinstance(value, str) or not is_text or len(value) > _MAX_WORD:
        raise _wrong(field, f"`{field}`: each is a text of 1 to {_MAX_WORD} characters")
    if _CONTROL.search(value) or any(one in value for one in forbidden):
        raise _wrong(field, f"`{field}`: {value!r:.140} holds one of {forbidden} or a control")
    return value


def check_type(value: object, *, field: str = "type") -> str:
    """The type of a collection, if it is one.

    Raises:
        Problem: It is not.
    """
    return _check_word(value, field=field, forbidden="/:")


def check_aliases(value: object, *, field: str = "aliases") -> list[str]:
    """Aliases, if they are such: each once, in their order.

    Raises:
        Problem: They are not.
    """
    if not isinstance(value, list) or len(value) > MAX_ALIASES:
        raise _wrong(field, f"`{field}` is a list of at most {MAX_ALIASES} texts")
    for one in value:
        _check_word(one, field=field, forbidden="/:")
        if re.fullmatch(r"v[0-9]+", one):
            raise _wrong(field, f"`{field}`: {one!r:.60} is the name of a version, no alias")
    return list(dict.fromkeys(value))


def check_tags(value: object, *, field: str = "tags") -> list[str]:
    """Tags, if they are such: each once, in their order.

    Raises:
        Problem: They are not.
    """
    if not isinstance(value, list) or len(value) > MAX_TAGS:
        raise _wrong(field, f"`{field}` is a list of at most {MAX_TAGS:,} texts")
    for one in value:
        if not isinstance(one, str) or not 0 < len(one) <= _MAX_TAG or _CONTROL.search(one):
            raise _wrong(
                field, f"`{field}`: each is 1 to {_MAX_TAG} characters, none of them a control"
            )
    return list(dict.fromkeys(value))


def check_text(value: object, *, field: str = "description") -> str:
    """A text of at most 1 MiB; None is an empty one.

    Raises:
        Problem: It is none.
    """
    if value is None:
        return ""
    if not isinstance(value, str) or len(value.encode()) > _MAX_TEXT_BYTES or "\0" in value:
        raise _wrong(field, f"`{field}` is a text of at most 1 MiB")
    return value


def check_metadata(value: object) -> bytes:
    """Metadata, packed; None is none.

    Raises:
        Problem: It is no object, has too many keys, or is too large or too deep.
    """
    if value is None:
        value = {}
    if not isinstance(value, dict) or len(value) > MAX_METADATA_KEYS:
        raise _wrong("metadata", f"`metadata` is an object of at most {MAX_METADATA_KEYS} keys")
    if is_deeper(value, MAX_NESTING):
        raise _wrong("metadata", f"`metadata` is nested deeper than {MAX_NESTING}")
    packed = pack(value)
    if len(packed) > _MAX_METADATA_BYTES:
        raise _wrong("metadata", f"`metadata` has {len(packed):,} bytes: at most 1 MiB")
    return packed


def is_deeper(value: object, most: int) -> bool:
    """Whether lists and objects are nested deeper than that."""
    level: list[Any] = [value]
    for _ in range(most + 1):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def check_distributed(value: object) -> str:
    """The id that the parts of one artifact share, if it is one.

    Raises:
        Problem: It is not.
    """
    return _check_word(value, field="distributed", forbidden="/:")


def check_md5(value: object, *, field: str = "digest") -> str:
    """An MD5 in lower-case hexadecimal, if it is one.

    Raises:
        Problem: It is not.
    """
    if not isinstance(value, str) or not _MD5.fullmatch(value):
        raise _wrong(field, f"`{field}` is 32 digits of 0-9 a-f: MD5")
    return value


def check_hash(value: object, *, field: str) -> str:
    """A SHA-256 in lower-case hexadecimal, if it is one.

    Raises:
        Problem: It is not.
    """
    if not isinstance(value, str) or not SHA256.fullmatch(value):
        raise _wrong(field, f"`{field}` is 64 digits of 0-9 a-f: SHA-256")
    return value


def check_count(value: object, *, field: str) -> int:
    """A whole number from 0 on, if it is one.

    Raises:
        Problem: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_INT64:
        raise _wrong(field, f"`{field}` is a whole number from 0 on")
    return value


def check_place(value: object, *, field: str) -> tuple[str, str, str]:
    """Entity, project and name of a collection, out of `entity/project/name`.

    Raises:
        Problem: It is no such text.
    """
    parts = value.split("/") if isinstance(value, str) else []
    if len(parts) != 3:  # noqa: PLR2004  # entity, project, name
        raise _wrong(field, f"`{field}` is entity/project/name")
    entity, project, name = parts
    return (
        check_project(entity, field=field),
        check_project(project, field=field),
        check_name(name, field=field),
    )


def check_ref(value: object, *, field: str = "artifact") -> str:
    """What names an artifact in a log: its id, or `entity/project/name:version`.

    Raises:
        Problem: It is neither.
    """
    if is_key(value):
        return str(value)
    place, colon, ref = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not colon:
        raise _wrong(field, f"`{field}` is an artifact's id, or entity/project/name:version")
    check_place(place, field=field)
    _check_word(ref, field=field, forbidden="/:")
    return str(value)


__all__ = [
    "MAX_ALIASES",
    "MAX_METADATA_KEYS",
    "MAX_TAGS",
    "check_aliases",
    "check_count",
    "check_distributed",
    "check_hash",
    "check_key",
    "check_md5",
    "check_metadata",
    "check_name",
    "check_place",
    "check_ref",
    "check_tags",
    "check_text",
    "check_type",
    "is_deeper",
    "is_key",
    "version_number",
]
