"""Every setting with its default, and the only reader of the environment."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from steplog._errors import ArgumentTypeError, UsageError

if TYPE_CHECKING:
    from typing_extensions import Self

Mode = Literal["online", "offline", "disabled"]
LateSteps = Literal["refuse", "merge"]

DEFAULT_BASE_URL = "http://127.0.0.1:7837"
ENV_PREFIX = "STEPLOG_"
ENV_CONFIG_DIR = "STEPLOG_CONFIG_DIR"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How a run is recorded. Every field can be set by `STEPLOG_<FIELD>` in the environment.

    Attributes:
        base_url: The server.
        api_key: Key for the server; without one the key file of this user is asked.
        entity: Owner of the project.
        project: Project; `uncategorized` when not given.
        mode: `online`, `offline` (no upload) or `disabled` (nothing is recorded).
        dir: Folder in which `steplog-runs` is created; the working directory when empty.
        label: Tells this writer from others of the run.
        late_steps: `refuse` a step that is smaller than the current one, with a warning, or `merge`
            its values into its row, however old that is.
        strict: Raise for values that cannot be stored instead of leaving them out with a warning.
        quiet: Print nothing but warnings.
        silent: Print nothing at all.
        mapped: Map the log where the file system allows it; otherwise one `write` a record.
        fsync_secs: Longest time that a record stays unsynced.
        heartbeat_secs: Sign of life to the server.
        finish_timeout_secs: Longest time that `finish` takes.
        exit_timeout_secs: The same at interpreter exit.
    """

    base_url: str = DEFAULT_BASE_URL
    api_key: str | None = dataclasses.field(default=None, repr=False)
    entity: str = "local"
    project: str = "uncategorized"
    mode: Mode = "online"
    dir: str | os.PathLike[str] = ""
    label: str = ""
    late_steps: LateSteps = "refuse"
    strict: bool = False
    quiet: bool = False
    silent: bool = False
    mapped: bool = True
    fsync_secs: float = 1.0
    heartbeat_secs: float = 10.0
    finish_timeout_secs: float = 30.0
    exit_timeout_secs: float = 10.0

    def __new__(cls, **given: object) -> Self:
        """Remember which fields are given: those win over the environment, whatever they are."""
        settings = super().__new__(cls)
        object.__setattr__(settings, "_given", frozenset(given))
        return settings

    def __post_init__(self) -> None:
        self._check_types()
        if self.mode not in {"online", "offline", "disabled"}:
            raise UsageError(f"mode must be online, offline or disabled, got {self.mode!r}")
        if self.late_steps not in {"refuse", "merge"}:
            raise UsageError(f"late_steps must be refuse or merge, got {self.late_steps!r}")
        for name, field in FIELDS.items():
            value = getattr(self, name)
            if field.type == "float" and not 0 <= value <= _MAX_SECS:
                raise UsageError(f"{name} must be 0 to {_MAX_SECS:,} seconds, got {value}")
        if self.api_key is not None and not _KEY.fullmatch(self.api_key):
            raise UsageError("api_key must be printable ASCII without spaces")
        check_name("project", self.project)
        check_name("entity", self.entity)
        if _CONTROL.search(self.label) or len(self.label.encode()) > _MAX_NAME_BYTES:
            raise UsageError(
                f"label must have at most {_MAX_NAME_BYTES} bytes and no control characters"
            )

    def _check_types(self) -> None:
        for name, field in FIELDS.items():
            value = getattr(self, name)
            wanted, kinds = _KINDS[str(field.type)]
            is_flag = isinstance(value, bool) and field.type == "float"
            if is_flag or not isinstance(value, kinds):
                raise ArgumentTypeError(f"{name} must be {wanted}, got {type(value).__name__}")


FIELDS = {field.name: field for field in dataclasses.fields(Settings)}
_KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "str": ("text", (str,)),
    "str | None": ("text", (str, type(None))),
    "str | os.PathLike[str]": ("a path", (str, os.PathLike)),
    "Mode": ("text", (str,)),
    "LateSteps": ("text", (str,)),
    "bool": ("true or false", (bool,)),
    "float": ("a number", (int, float)),
}
_FALSE = {"0", "false", "no", "off", ""}
_TRUE = {"1", "true", "yes", "on"}
_MAX_SECS = 1_000_000_000
CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
"""Inside a character class: what neither a name nor a label may hold."""
_CONTROL = re.compile(f"[{CONTROL}]")
_KEY = re.compile(r"[\x21-\x7e]+")
_MAX_NAME_BYTES = 128
_FORBIDDEN = re.compile(rf"[/\\#?%:{CONTROL}]")


def check_name(what: str, name: str) -> None:
    """Check a project or entity name.

    Raises:
        UsageError: It is empty, longer than 128 bytes, or holds a character that a URL could not.
    """
    if not name or name in {".", ".."} or len(name.encode("utf-8", "replace")) > _MAX_NAME_BYTES:
        raise UsageError(f"the {what} {name!r} must have 1 to 128 bytes and not be a dot path")
    if _FORBIDDEN.search(name):
        raise UsageError(
            f"the {what} {name!r} must not hold any of / \\ # ? % : or control characters"
        )


def _from_text(name: str, text: str) -> object:
    kind = FIELDS[name].type
    if kind == "bool":
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise UsageError(f"{ENV_PREFIX}{name.upper()} must be true or false, got {text!r}")
    if kind == "float":
        try:
            return float(text)
        except ValueError:
            raise UsageError(f"{ENV_PREFIX}{name.upper()} must be a number, got {text!r}") from None
    return text


def from_environment(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read the settings that the environment gives."""
    environ = os.environ if environ is None else environ
    found = {}
    for name in FIELDS:
        text = environ.get(ENV_PREFIX + name.upper())
        if text is not None:
            found[name] = _from_text(name, text)
    return found


def resolve(settings: Settings | Mapping[str, Any] | None, **arguments: object) -> Settings:
    """Merge defaults, environment, `settings` and arguments, later over earlier; None is not given.

    Raises:
        UsageError: An unknown name, or a value out of range.
        ArgumentTypeError: A value of a wrong type.
    """
    values = from_environment()
    if isinstance(settings, Settings):
        given: dict[str, Any] = {name: getattr(settings, name) for name in vars(settings)["_given"]}
    elif settings is None or isinstance(settings, Mapping):
        given = dict(settings or {})
    else:
        raise ArgumentTypeError(
            f"settings must be Settings or a mapping, got {type(settings).__name__}"
        )
    for name in given:
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"there is no setting {name!r}{hint}")
    values.update(given)
    values.update({name: value for name, value in arguments.items() if value is not None})
    return Settings(**values)


def config_dir(environ: Mapping[str, str] | None = None) -> Path:
    """The folder of the user's steplog configuration, with the key file `keys.json`."""
    environ = os.environ if environ is None else environ
    given = environ.get(ENV_CONFIG_DIR)
    return Path(given) if given else Path.home() / ".config" / "steplog"


def keys_file() -> Path:
    """The file of this user's keys: {base URL: key}."""
    return config_dir() / "keys.json"


def key_from_file(base_url: str) -> str:
    """This user's key for a server, from the key file.

    Raises:
        UsageError: There is none, or the file is not JSON.
    """
    path = keys_file()
    keys: object = {}
    with contextlib.suppress(FileNotFoundError):
        try:
            keys = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise UsageError(f"the key file is not JSON: {path}") from error
    key = keys.get(base_url) if isinstance(keys, dict) else None
    if not isinstance(key, str) or not key:
        raise UsageError(
            f"there is no key for {base_url}: set STEPLOG_API_KEY, or add it to {path}"
        )
    return key
