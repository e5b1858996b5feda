"""Every setting with its default, and the only reader of the environment."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from steplog import _settings_file
from steplog._errors import ArgumentTypeError, UsageError
from steplog._setting_checks import KINDS, check

if TYPE_CHECKING:
    from typing_extensions import Self

Mode = Literal["online", "offline", "disabled"]
LateSteps = Literal["refuse", "merge"]
StorageErrors = Literal["warn", "raise"]
ConsoleWay = Literal["auto", "wrap", "redirect", "off"]

ENVIRONMENT = (
    *("CONDA_*", "CUDA_*", "HF_*", "JAX_*", "KUBERNETES_*", "LD_LIBRARY_PATH", "LOCAL_RANK"),
    *("MASTER_ADDR", "MASTER_PORT", "MKL_*", "NCCL_*", "NVIDIA_*", "OMP_*", "PYTHON*"),
    *("PYTORCH_*", "RANK", "ROCR_*", "SLURM_*", "TF_*", "TORCH*", "TRANSFORMERS_*", "VIRTUAL_ENV"),
    *("WORLD_SIZE", "XLA_*"),
)
"""What usually changes how a program computes."""
SECRETS = (
    *(
        "*AUTH*",
        "*BEARER*",
        "*COOKIE*",
        "*CREDENTIAL*",
        "*DSN*",
        "*KEY",
        "*KEYS",
        "*KEY_ID",
        "*PASS",
        "*PASSPHRASE*",
    ),
    *("*PASSWD*", "*PASSWORD*", "*PRIVATE*", "*PWD", "*SECRET*", "SIG", "*SIGNATURE*", "*TOKEN"),
)
DEFAULT_BASE_URL = "http://127.0.0.1:7837"
ENV_CONFIG_DIR = "STEPLOG_CONFIG_DIR"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How a run is recorded.

    Every field can be set in the environment, by `STEPLOG_<FIELD>` or what `VARIABLES` says, and in
    settings files; docs/settings.md says what wins.

    Attributes:
        base_url: The server.
        api_key: Key for the server; without one the key file of this user is asked.
        ca_file: Certificates in PEM, trusted beside the system's: for a server whose certificate is
            of your own CA.
        entity: Owner of the project.
        project: Project; `uncategorized` when not given.
        run_id: Run id, unique in the project; random when not given.
        run_name: Display name; the id when not given.
        run_notes: A description.
        run_tags: Labels for finding the run.
        run_group: Runs that belong together.
        run_job_type: Kind of work, such as `train`.
        mode: `online`, `offline` (no upload) or `disabled` (nothing is recorded); W&B's old words
            `run` and `dryrun` stand for the first two.
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
        batch_bytes: Most bytes of records in one request, before compression: what the upload holds
            in memory is that, and the same compressed; 64 KiB to 64 MiB.
        resume: Go on with the run of this id: `allow`, `must`, `never` or `auto`; see `init`.
        resume_timeout_secs: Longest time that `init` waits for the server where a run goes on; then
            the run's folder decides.
        max_unsent_bytes: Most bytes of log files that hold what the server does not have, for each
            process; 1 MiB or more, 0 for no limit. Beyond, records are lost as on a full disk.
            Contents over 1 MiB, which lie beside the log, are not counted: they are kept until the
            server has them or the disk is full.
        storage_errors: What a call does whose record the disk has no room for: `warn`, once, and
            go on, or `raise` StorageError. What was recorded before stays either way.
        finish_timeout_secs: Longest time that `finish` takes.
        exit_timeout_secs: The same at interpreter exit.
        console: Record what is printed: `wrap` what Python prints; `redirect` whatever is written
            to stdout and stderr, by children and C libraries too, through files that stand in for
            these; or `off`. `auto` is `wrap`. Elsewhere than on Linux `redirect` is that, too.
        capture_loggers: What these loggers of `logging` say is in the run's output, too, such as
            `{"root": "INFO"}`, or `root=INFO`.
        stats: Take samples of what the system does: docs/capture.md.
        stats_interval_secs: Time between two of them; 0.1 or more.
        stats_disk_paths: Folders of the file systems whose use is sampled; none of them that is not
            there.
        machine_info: Record the machine, the interpreter, the command and the environment.
        environment: Patterns, with `*`, of the environment variables that are recorded.
        secrets: Patterns, with `*`, of names whose values are masked: of variables, of arguments.
        requirements: Record the installed packages.
        git: Record the commit that the working directory is at.
        save_code: Record how the files differ from it, and the program's script or notebook.
        code_dir: Record the code in this folder, too, where code is saved.
        watch_files: Record what the program writes into `run.dir`, when it changes.
        artifact_dir: Folder that artifacts are downloaded into; `artifacts` in the working
            directory when empty.
        artifact_cache_dir: Folder of contents of artifacts that this machine has had;
            `~/.cache/steplog/artifacts` when empty.
        artifact_cache_bytes: Most bytes in it, beyond which those that were not used for the
            longest time go; 0 for none at all.
    """

    base_url: str = DEFAULT_BASE_URL
    api_key: str | None = dataclasses.field(default=None, repr=False)
    ca_file: str | os.PathLike[str] = ""
    entity: str = "local"
    project: str = "uncategorized"
    run_id: str | None = None
    run_name: str | None = None
    run_notes: str | None = None
    run_tags: tuple[str, ...] = ()
    run_group: str | None = None
    run_job_type: str | None = None
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
    batch_bytes: int = 4 * 1024 * 1024
    resume: str = ""
    resume_timeout_secs: float = 5.0
    max_unsent_bytes: int = 0
    storage_errors: StorageErrors = "warn"
    finish_timeout_secs: float = 30.0
    exit_timeout_secs: float = 10.0
    console: ConsoleWay = "auto"
    capture_loggers: tuple[str, ...] = ()
    stats: bool = True
    stats_interval_secs: float = 10.0
    stats_disk_paths: tuple[str, ...] = ("/",)
    machine_info: bool = True
    environment: tuple[str, ...] = ENVIRONMENT
    secrets: tuple[str, ...] = SECRETS
    requirements: bool = True
    git: bool = True
    save_code: bool = False
    code_dir: str | os.PathLike[str] = ""
    watch_files: bool = True
    artifact_dir: str | os.PathLike[str] = ""
    artifact_cache_dir: str | os.PathLike[str] = ""
    artifact_cache_bytes: int = 20 << 30

    def __new__(cls, **given: object) -> Self:
        """Remember which fields are given: those win over the environment, whatever they are."""
        for name in given:
            _check_known(name)
        settings = super().__new__(cls)
        object.__setattr__(settings, "_given", frozenset(given))
        return settings

    def __post_init__(self) -> None:
        if isinstance(self.mode, str):
            object.__setattr__(self, "mode", _OLD_MODES.get(self.mode, self.mode))
        for name in _LISTS:
            given: object = getattr(self, name)
            if isinstance(given, (str, list)):
                object.__setattr__(self, name, _listed(name, given))
        if isinstance(self.capture_loggers, Mapping):
            spelled = tuple(f"{name}={level}" for name, level in self.capture_loggers.items())
            object.__setattr__(self, "capture_loggers", spelled)
        for name, field in FIELDS.items():
            check(name, str(field.type), getattr(self, name))


FIELDS = {field.name: field for field in dataclasses.fields(Settings)}
_LISTS = [name for name, field in FIELDS.items() if field.type == "tuple[str, ...]"]
_PREFIX = "STEPLOG_"
VARIABLES = {name: f"{_PREFIX}{name.upper()}" for name in FIELDS} | {
    "run_name": "STEPLOG_NAME",
    "run_notes": "STEPLOG_NOTES",
    "run_tags": "STEPLOG_TAGS",
    "run_job_type": "STEPLOG_JOB_TYPE",
}
"""The variable of each setting."""
# Read where ours is not set. Neither W&B's key nor its server is among them: a key must never go
# to a server that it was not made for.
FALLBACKS = {
    "entity": "WANDB_ENTITY",
    "project": "WANDB_PROJECT",
    "run_id": "WANDB_RUN_ID",
    "run_name": "WANDB_NAME",
    "run_notes": "WANDB_NOTES",
    "run_tags": "WANDB_TAGS",
    "run_group": "WANDB_RUN_GROUP",
    "run_job_type": "WANDB_JOB_TYPE",
    "mode": "WANDB_MODE",
    "dir": "WANDB_DIR",
    "quiet": "WANDB_QUIET",
    "silent": "WANDB_SILENT",
    "resume": "WANDB_RESUME",
    "save_code": "WANDB_SAVE_CODE",
    "artifact_dir": "WANDB_ARTIFACT_DIR",
}
# A folder that comes from elsewhere must not have a key sent to whom it likes.
_USERS_OWN = {"base_url", "api_key", "ca_file"}
_WORKSPACE = Path("steplog-runs", "settings")
_OLD_MODES: dict[str, Mode] = {"dryrun": "offline", "run": "online"}
_OWN = {*VARIABLES.values(), ENV_CONFIG_DIR}
_ALIKE = 0.6
"""How much of a variable's name must be as in one of ours to be a misspelling of that."""
_FALSE = {"0", "false", "no", "off", "f", "n"}
_TRUE = {"1", "true", "yes", "on", "t", "y"}


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _listed(name: str, given: str | list[str]) -> tuple[str, ...]:
    """A list, or a text with commas between its parts; a tag may hold some."""
    if isinstance(given, list):
        return tuple(given)
    return (given,) if name == "run_tags" else _parts(given)


def _from_text(name: str, text: str, source: str) -> object:
    """A setting from its spelling in a variable or file.

    Raises:
        UsageError: It cannot be that setting; says where it was found.
    """
    kind = FIELDS[name].type
    value: object = text
    if kind == "bool":
        if text.lower() not in _TRUE | _FALSE:
            raise UsageError(f"{name} must be true or false, got {text!r}: {source}")
        return text.lower() in _TRUE
    if kind in {"float", "int"}:
        try:
            value = float(text) if kind == "float" else int(text)
        except ValueError:
            wanted = KINDS[str(kind)][0]
            raise UsageError(f"{name} must be {wanted}, got {text!r}: {source}") from None
    elif kind == "tuple[str, ...]":
        value = _parts(text)
    elif name == "mode":
        value = _OLD_MODES.get(text, text)
    elif name == "resume" and text.lower() in _TRUE | _FALSE:  # as `init(resume=True)`
        value = "auto" if text.lower() in _TRUE else ""
    try:
        check(name, str(kind), value)
    except UsageError as error:
        raise UsageError(f"{error}: {source}") from None
    return value


def environment() -> dict[str, str]:
    """The environment as it is now."""
    return dict(os.environ)


def from_environment(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read the settings that the environment gives; an empty variable gives none.

    Raises:
        UsageError: One cannot be what its variable says.
    """
    environ = os.environ if environ is None else environ
    found = {}
    for name, variable in VARIABLES.items():
        for source in filter(None, (variable, FALLBACKS.get(name))):
            text = environ.get(source)
            if text:
                found[name] = _from_text(name, text, source)
                break
    return found


def misspelled(environ: Mapping[str, str] | None = None) -> Iterator[tuple[str, str]]:
    """Variables of the environment that are none of ours but nearly: each, and the nearest."""
    environ = os.environ if environ is None else environ
    strange = [name for name in environ if name.startswith(_PREFIX) and name not in _OWN]
    if not strange:
        return
    import difflib  # noqa: PLC0415  # only for who has misspelled something

    ours = {variable.removeprefix(_PREFIX): variable for variable in _OWN}
    for variable in strange:
        near = difflib.get_close_matches(variable[len(_PREFIX) :], ours, n=1, cutoff=_ALIKE)
        if near:
            yield variable, ours[near[0]]


def _from_files() -> Iterator[tuple[str, object]]:
    """The settings in this user's file, and then those in the workspace's.

    Raises:
        UsageError: A file cannot be read, or holds what is no setting.
        StorageError: The system cannot open one just now.
    """
    for path in (config_dir() / "settings", _WORKSPACE):
        # Where another user's home is this one's as well, as of a service, the file is not ours.
        is_asked_for = path is _WORKSPACE or bool(os.environ.get(ENV_CONFIG_DIR))
        for name, text in _settings_file.read(path, must=is_asked_for).items():
            _check_known(name, path)
            if path is _WORKSPACE and name in _USERS_OWN:
                raise UsageError(
                    f"{name} may not be set in a workspace, which could send your key to others; "
                    f"set {VARIABLES[name]} or write it into {config_dir() / 'settings'}: {path}"
                )
            if text:
                yield name, _from_text(name, text, str(path))


def _check_known(name: object, source: object = None) -> None:
    if name not in FIELDS:
        import difflib  # noqa: PLC0415  # only for who has misspelled something

        near = difflib.get_close_matches(str(name), FIELDS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"there is no setting {name!r}{hint}" + (f": {source}" if source else ""))


def resolve(settings: Settings | Mapping[str, Any] | None, **arguments: object) -> Settings:
    """Merge what sets a run up, later over earlier; an argument that is None is not given.

    In this order: the defaults, the user's file, the workspace's file, the environment, `settings`,
    the arguments.

    Raises:
        UsageError: An unknown name, a value out of range, or a file that cannot be read.
        ArgumentTypeError: A value of a wrong type.
        StorageError: The system cannot open a file just now.
    """
    values: dict[str, Any] = dict(_from_files())
    values.update(from_environment())
    if isinstance(settings, Settings):
        given: dict[str, Any] = {name: getattr(settings, name) for name in vars(settings)["_given"]}
    elif settings is None or isinstance(settings, Mapping):
        given = dict(settings or {})
    else:
        raise ArgumentTypeError(
            f"settings must be Settings or a mapping, got {type(settings).__name__}"
        )
    for name in given:
        _check_known(name)
    values.update(given)
    values.update({name: value for name, value in arguments.items() if value is not None})
    return Settings(**values)


def config_dir(environ: Mapping[str, str] | None = None) -> Path:
    """The folder of the user's steplog configuration: `settings` and the key file `keys.json`."""
    environ = os.environ if environ is None else environ
    given = environ.get(ENV_CONFIG_DIR)
    if given:
        return Path(given)
    try:
        home = Path.home()
    except RuntimeError:  # a user without a name, as containers have: nothing is there
        home = Path(os.sep, "nonexistent")
    return home / ".config" / "steplog"


def cache_dir(settings: Settings) -> Path:
    """The folder of contents of artifacts that this machine has had."""
    given = os.fspath(settings.artifact_cache_dir)
    if given:
        return Path(given).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111  # a user without a home has none
    return Path(base, "steplog", "artifacts")
