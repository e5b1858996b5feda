"""What the wire looks like: constants, limits, problem codes, rules for ids and key paths."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from steplog._names import CONTROL
from steplog._states import STATES as RUN_STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

API = "/api/v1"
PROTOCOL = "1"
FORMAT = 1
"""Version of the records that are read (`docs/format.md`)."""

ARROW = "application/vnd.apache.arrow.stream"
MSGPACK = "application/msgpack"
NDJSON = "application/x-ndjson"
OCTETS = "application/octet-stream"
PROBLEM = "application/problem+json"

MAX_BODY_BYTES = 64 << 20
"""Of a batch, before and after decompression."""
MAX_QUERY_BYTES = 4 << 20
"""Of a JSON body: a query of 1,000 panels is far below."""
MAX_NESTING = 64
"""Of a JSON body: beyond, no request of ours."""
MAX_PANELS = 200
MAX_SERIES = 2000
"""Of one panel; what is over is named in `truncated`."""
MAX_PX = 20_000
MAX_RUNS_PAGE = 1000
MAX_HISTORY_PAGE = 50_000
MAX_MEDIA_ITEMS = 10_000
"""Of one answer."""
MAX_SMALL_BLOBS = 1_000
MAX_SMALL_BLOB_BYTES = 64 << 10
"""Of each content that `blobs:read` gives; a larger one is worth a request of its own."""
MAX_SMALL_BLOBS_BYTES = 8 << 20
"""Of all contents of an answer of `blobs:read`, which is made in memory."""
MAX_HISTORY_KEYS = 100_000
MAX_CHART_ROWS = 100_000
"""Of one answer of `chartdata:query`: ten times what W&B gives a chart."""
MAX_CHART_BYTES = 1 << 20
"""Of a specification that is kept: those that people write have some kB."""
MAX_CHARTS = 1000
"""That are kept of a project, of either kind."""
MAX_LINE_BYTES = 64 << 10
"""Of a request's first line, and of each header: addresses of the page hold what it shows."""
MAX_INT64 = (1 << 63) - 1
MAX_UINT64 = (1 << 64) - 1

HEARTBEAT_MILLIS = 15_000
"""Of the live channel: the longest silence of a server that lives."""
COALESCE_SECS = 0.25

STATES = (*RUN_STATES, "pending")
"""In the order of the `dict` of runs:query."""

KIND_LIST, KIND_OBJECT = 6, 8
PLOTTED_KINDS = (2, 3, 4, 7)
KIND_NAMES = {
    1: "null",
    2: "bool",
    3: "number",
    4: "number",
    5: "text",
    KIND_LIST: "list",
    7: "number",
    KIND_OBJECT: "object",
}


class Code(Enum):
    """Why a request was refused: the `code` of a problem, its status and its title."""

    MALFORMED = ("malformed", 400, "The request cannot be read")
    INVALID = ("invalid", 400, "A value of the request is not allowed")
    UNSUPPORTED = ("unsupported", 400, "Not supported yet")
    UNAUTHENTICATED = ("unauthenticated", 401, "A key is needed")
    FORBIDDEN_ORIGIN = ("forbidden_origin", 403, "Another site may not do this")
    NOT_FOUND = ("not_found", 404, "Not found")
    METHOD = ("method_not_allowed", 405, "The method is not allowed here")
    NOT_ACCEPTABLE = ("not_acceptable", 406, "The format is not offered")
    CONFLICT = ("conflict", 409, "The batch does not begin where the server has come to")
    NAMED = ("named", 409, "Something else names it still")
    DELETED = ("deleted", 410, "The run was deleted")
    PRECONDITION = ("precondition_failed", 412, "The thing has changed meanwhile")
    TOO_LARGE = ("too_large", 413, "The request is too large")
    MEDIA_TYPE = ("media_type", 415, "The content type is not accepted here")
    RANGE = ("range", 416, "The file has no such part")
    WRONG_CONTENT = ("wrong_content", 422, "The content is not what it is said to be")
    OVER_LIMIT = ("over_limit", 422, "More than this server keeps")
    NO_PICTURE = ("no_picture", 422, "No thumbnail can be made of it")
    NO_TABLE = ("no_table", 422, "The file cannot be read as a table")
    LOCKED = ("locked", 423, "Another one is at it")
    PROTOCOL = ("protocol", 426, "Another version of the protocol is needed")
    INTERNAL = ("internal", 500, "The server failed")
    BUSY = ("busy", 503, "The server cannot take it now")

    def __init__(self, code: str, status: int, title: str) -> None:
        self.code = code
        self.status = status
        self.title = title


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """A refusal on its way to `application/problem+json`.

    Args:
        code: Why.
        detail: What exactly, for a person.
        field: The field of the request that is wrong.
        extra: Further members of the answer.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        code: Code,
        detail: str,
        *,
        field: str | None = None,
        extra: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.field = field
        self.extra = extra or {}
        self.headers = headers or {}

    def body(self) -> dict[str, object]:
        """The members of the answer."""
        body: dict[str, object] = {
            "type": f"urn:steplog:problem:{self.code.code}",
            "title": self.code.title,
            "status": self.code.status,
            "detail": self.detail,
            "code": self.code.code,
        }
        if self.field is not None:
            body["field"] = self.field
        return {**body, **self.extra}


_CONTROL = re.compile(f"[{CONTROL}]")
_RUN_FORBIDDEN = re.compile(r"[:;,#?/']")
_PROJECT_FORBIDDEN = re.compile(r"[/\\#?%:]")
_WRITER = re.compile(r"[A-Za-z0-9_-]{1,63}")
SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGITS = re.compile(r"[0-9]{1,19}")
_MAX_ID_BYTES = 128


def _check_id(value: str, *, field: str, forbidden: re.Pattern[str]) -> str:
    problem = None
    if not value or value in {".", ".."}:
        problem = "is empty or a dot name"
    elif _CONTROL.search(value):
        problem = "has control characters"
    elif len(value.encode()) > _MAX_ID_BYTES:
        problem = f"is longer than {_MAX_ID_BYTES} bytes"
    elif forbidden.search(value):
        problem = "has a character that is not allowed"
    if problem is not None:
        raise Problem(Code.INVALID, f"the {field} {problem}", field=field)
    return value


def check_run(value: str) -> str:
    """A run id, if it is one.

    Raises:
        Problem: It is not.
    """
    if value != value.strip(" "):
        raise Problem(Code.INVALID, "the run id begins or ends with a space", field="run")
    return _check_id(value, field="run", forbidden=_RUN_FORBIDDEN)


def check_project(value: str, *, field: str = "project") -> str:
    """A project or entity, if it is one.

    Raises:
        Problem: It is not.
    """
    return _check_id(value, field=field, forbidden=_PROJECT_FORBIDDEN)


def check_writer(value: str) -> str:
    """A writer id, if it is one.

    Raises:
        Problem: It is not.
    """
    if not _WRITER.fullmatch(value):
        raise Problem(
            Code.INVALID, "the writer is not 1 to 63 characters of A-Z a-z 0-9 _ -", field="writer"
        )
    return value


def check_sha256(value: str) -> str:
    """A SHA-256 in lower-case hexadecimal, if it is one.

    Raises:
        Problem: It is not.
    """
    if not SHA256.fullmatch(value):
        raise Problem(Code.INVALID, "the hash is not 64 digits of 0-9 a-f: SHA-256", field="sha256")
    return value


def whole_number(text: str, *, field: str) -> int:
    """A number of an address, 0 to 2^63 - 1.

    Raises:
        Problem: It is none.
    """
    if not _DIGITS.fullmatch(text) or int(text) > MAX_INT64:
        raise Problem(Code.INVALID, f"`{field}` is a number from 0 on", field=field)
    return int(text)


def escape_segment(segment: str) -> str:
    r"""One segment of a key path, with `\` and `.` escaped."""
    return segment.replace("\\", "\\\\").replace(".", "\\.")


def join_path(segments: Sequence[str]) -> str:
    """The key of a path of segments."""
    return ".".join(escape_segment(segment) for segment in segments)


def split_path(key: str) -> list[str]:
    """The segments of a key; the inverse of `join_path`."""
    segments = [""]
    escaped = False
    for char in key:
        if escaped:
            segments[-1] += char
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == ".":
            segments.append("")
        else:
            segments[-1] += char
    return segments


TYPE_KEY = "_type"
"""The first key of a dict that is one object, such as a histogram, rather than nested values."""


def flatten(tree: dict[str, object], prefix: str = "") -> dict[str, object]:
    """The leaves of a nested dict by key; an empty dict is a leaf of nothing."""
    leaves: dict[str, object] = {}
    for name, value in tree.items():
        key = prefix + escape_segment(name)
        if isinstance(value, dict) and next(iter(value), None) != TYPE_KEY:
            leaves.update(flatten(value, key + "."))
        else:
            leaves[key] = value
    return leaves


def kind_names(mask: int) -> list[str]:
    """The kinds of a bit mask, by the names of the API."""
    names = [name for kind, name in KIND_NAMES.items() if mask >> kind & 1]
    return list(dict.fromkeys(names))
