"""A run: what it is and is called, its definitions and status."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote
from weakref import WeakValueDictionary

from steplog import _names, _panels, _sync
from steplog._capture import Capture
from steplog._config_file import ConfigFile
from steplog._console import Console
from steplog._ending import Ending
from steplog._errors import UsageError
from steplog._hparams import Config
from steplog._later import LateValues
from steplog._logged_files import LoggedFiles
from steplog._media_files import MediaFiles
from steplog._metric import metric_of
from steplog._notices import Notices
from steplog._owed import Owed
from steplog._past import Past
from steplog._process_writer import Parent, ProcessWriter
from steplog._reaching import Ack, Lost
from steplog._recording import Recording
from steplog._reference import Reference
from steplog._run_artifacts import Artifacts
from steplog._run_files import RunFiles
from steplog._spool import SPOOL
from steplog._summary import Summary
from steplog._writer import NullWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Self

    from steplog._facts import Facts
    from steplog._metric import Metric
    from steplog._settings import Settings
    from steplog._writer import Writer
    from steplog.data.media import Place

_FIXED = frozenset(
    ("config", "entity", "group", "id", "job_type", "project", "resumed", "settings", "summary")
)
"""What a run has from its start on."""


class Run(Reference, Artifacts):
    """One run, recorded into its folder and, when online, uploaded from there.

    Made by `steplog.init`. Use it as `with` or `async with`, or call `finish`; a run that is not
    finished is finished at interpreter exit. Safe from any thread and task.

    Attributes:
        id: The run's id, unique in its project.
        entity: Owner of the project.
        project: Project.
        config: Hyperparameters; dict-like.
        summary: Last values; dict-like.
        settings: The settings in force.
        resumed: Whether it goes on where an earlier attempt ended.
        starting_step: Its first step.
    """

    # Nobody sets an attribute that is none: a misspelled one must not be lost in silence.
    __slots__ = (
        "__weakref__",
        "_artifacts",
        "_capture",
        "_config_file",
        "_console",
        "_ending",
        "_facts",
        "_files",
        "_logged_files",
        "_loggers",
        "_lost",
        "_media",
        "_owed",
        "_process",
        "_watch",
        "config",
        "entity",
        "group",
        "id",
        "job_type",
        "project",
        "resumed",
        "starting_step",
        "summary",
    )

    def __init__(
        self,
        settings: Settings,
        *,
        facts: Facts,
        config: Mapping[str, object] | None = None,
        allow_val_change: bool | None = None,
        past: Past | None = None,
        parent: Parent | None = None,
    ) -> None:
        facts = facts if past is None else past.complete(facts)
        self._facts = facts
        self.settings = settings
        self.entity = settings.entity
        self.project = settings.project
        self.id = facts.id
        self.group, self.job_type = facts.group, facts.job_type
        self._notices = Notices(settings)
        self._late = LateValues(self._notices, self._place_of)
        self._process = ProcessWriter(settings, facts, past=past, parent=parent)
        self._lost = Lost()
        self._take_log()
        self._ending = Ending(
            *(self._process, self._notices),
            settings=settings,
            facts=facts,
            url=self.url,
            changed_file=self._changed_file,
        )
        if self._process.warning:
            self._notices.warn("folder", self._process.warning)
        self._owed = Owed(settings, self._notices)
        self._artifacts = None
        before = known.config if (known := past or parent) else {}
        self._media = MediaFiles(self._notices, self._owed, config=before)
        recording = Recording(
            *(self._own_writer, self._notices),
            place_of=self._place_of,
            owed=self._owed,
            is_over=lambda: self._is_over,
            use=self._use_in_config,
        )
        # The file of a run is its first process's affair.
        self._config_file = ConfigFile(None if parent else self._process.folder, self._notices)
        self.config = Config(
            recording,
            allow_val_change=allow_val_change,
            before=_panels.without(before),
            changed=self._config_file.change,
        )
        if past is not None and past.forked is not None:
            recording.put_config(past.config)  # it is the fork's own from here on
        self.summary = Summary(recording.read_summary, recording.put_summary)
        self.starting_step = past.next_step if past else 0
        self.resumed = past is not None and past.forked is None
        if config:
            self.config.update(config, allow_val_change=True if past else None)
        self._config_file.start(self.config.as_dict())
        self._logged_files = LoggedFiles(
            self._config_file, self._notices, folder=self._process.folder
        )
        self._files = RunFiles(
            *(self._process, self._notices),
            own_writer=self._own_writer,
            own=lambda: self._logged_files.names,
            also_kept=lambda: self._media.kept,
            takes_written=settings.watch_files,
        )
        self._watch = self._capture = self._console = self._loggers = None
        writer = self._process.writer
        if not isinstance(writer, NullWriter):
            self._logged_files.log_config(writer)
        if settings.mode != "disabled":
            _sync.track(self)
            _known[self.sync_dir] = self
            SPOOL.folder = self._process.folder
        if settings.mode != "disabled" and parent is None:
            goes_on = f" goes on at step {self.starting_step} and" if past else ""
            where = str(self._process.folder) + (
                f" and will be shown at {self.url}" if self.url else ""
            )
            self._notices.say(f"run {self.name}{goes_on} is recorded in {where}")
        if not isinstance(writer, NullWriter) and parent is None and settings.console != "off":
            self._console = Console(writer, self._notices, way=settings.console)
            self._console.start()
        if settings.capture_loggers and not isinstance(writer, NullWriter) and parent is None:
            from steplog._loggers import Loggers  # noqa: PLC0415  # imports `logging`, for few

            self._loggers = Loggers(writer, self._notices, settings.capture_loggers)

    def start_capture(self) -> None:
        """Begin to record what nobody asked for.

        At the end of `init`: what is gathered from here on takes turns with the caller's thread.
        """
        writer = self._process.writer
        if self._capture is None and not isinstance(writer, NullWriter):
            put_file = functools.partial(self._logged_files.put, writer)
            self._capture = Capture(
                *(self.settings, self._notices),
                writer=writer,
                put_file=put_file,
                files=self._files,
            )

    # ---- what the run is -------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Display name; setting it is in the log when it returns."""
        return self._facts.name

    @name.setter
    def name(self, name: str) -> None:
        called = _names.as_name(name) or self.id
        self._call(replace(self._facts, name=called), "name")

    @property
    def notes(self) -> str:
        """A description; setting it is in the log when it returns."""
        return self._facts.notes

    @notes.setter
    def notes(self, notes: str | None) -> None:
        self._call(replace(self._facts, notes=_names.as_text("notes", notes)), "notes")

    @property
    def tags(self) -> tuple[str, ...]:
        """Labels for finding the run; setting them is in the log when it returns.

        Tags that cannot be set are warned about, and change nothing; `strict=True` raises.
        """
        return self._facts.tags

    @tags.setter
    def tags(self, tags: Sequence[str] | str | None) -> None:
        try:
            listed = _names.as_tags(tags)
        except UsageError as error:
            if self.settings.strict:
                raise
            self._notices.warn("", f"the tags stay as they were: {error}")
            return
        self._call(replace(self._facts, tags=listed), "tags")

    def __setattr__(self, name: str, value: object) -> None:
        if name in _FIXED and hasattr(self, name):
            raise AttributeError(f"run.{name} cannot be set")
        super().__setattr__(name, value)

    def _call(self, facts: Facts, what: str) -> None:
        value = getattr(facts, what)
        plain = list(value) if isinstance(value, tuple) else value
        self._record(what, lambda: self._own_writer().put_facts({what: plain}))
        self._facts = facts

    @property
    def sync_dir(self) -> str:
        """The run's folder; empty when disabled."""
        return str(self._process.folder or "")

    @property
    def step(self) -> int:
        """Step of the next `log` call without `step`."""
        return self._own_writer().step

    @property
    def is_finished(self) -> bool:
        """Whether `finish` was called."""
        writer = self._process.writer
        return writer.is_closed and not writer.is_forked

    @property
    def is_too_late(self) -> bool:
        """Whether the interpreter is ending: what daemon threads still ask for is not answered."""
        return self._is_over

    @property
    def url(self) -> str | None:
        """The run's page; None when it is not online."""
        if self.settings.mode != "online":
            return None
        entity, project, run = (
            quote(part, safe="") for part in (self.entity, self.project, self.id)
        )
        return f"{self.settings.base_url.rstrip('/')}/p/{entity}/{project}/r/{run}"

    def status(self) -> dict[str, object]:
        """The run in numbers.

        With everything logged before this call. `records` are in the log, `synced_records` of them
        on the disk for sure, and `acknowledged_records` at the server; `waiting_bytes` are not, and
        `rate` is how many records the server has taken in a second, over the last ten. `rows` and
        `values` are what the records come to. `refused` are smaller steps, `skipped` values that
        cannot be stored, `lost` records that the disk had no room for, `deferred` values that are
        taken over and not in the log yet. `files_waiting` are large files that the server wants,
        and `file_bytes_sent` is what this process has sent of such. `upload` is `off`,
        `connecting`, `connected`, `waiting` or `refused`; `error` is the last reason why disk or
        server do not take it, or None, and `server` the id of the one that answered. `mapped` says
        how the log is written. A disabled run has only some of these.
        """
        status = dict(self._own_writer().status())
        for position in ("last", "synced", "acknowledged"):
            status.pop(position, None)
        errors = ("storage_error", "upload_reason", "files_reason")
        status["error"] = next(filter(None, map(status.get, errors)), None)
        return {**status, **self._notices.counts, "deferred": self._late.waiting}

    def _own_writer(self) -> Writer | NullWriter:
        if self._process.writer.is_forked:
            self._process.own()
            self._take_log()
            _sync.track(self)
        return self._process.writer

    def _place_of(self, writer: Writer | NullWriter, step: int | str) -> Place:
        """Where the files of values go that are logged at a step."""
        wal = None if self._process.folder is None else self._process.folder / "wal"
        return self._media.place(writer, step, wal and wal / self._process.id)

    def _take_log(self) -> None:
        writer = self._process.writer
        self._record_into(None if isinstance(writer, NullWriter) else writer)

    def define_metric(
        self,
        name: str,
        step_metric: str | Metric | None = None,
        *,
        step_sync: bool | None = None,
        hidden: bool | None = None,
        summary: str | None = None,
        goal: str | None = None,
        overwrite: bool | None = None,
    ) -> Metric:
        """Say how a key is drawn, and what the summary keeps of it, also of what was logged before.

        In the log when it returns. A later definition of the same name adds to an earlier one.

        Args:
            name: A key; with `*` at its end every key that begins so and has no definition of its
                own. Segments of a nested key are joined by dots, a dot inside one has a
                backslash before it.
            step_metric: Key that is the x axis of this one.
            step_sync: Give rows that lack the step metric its latest value, 0 before there is one.
                Defaults to true when `step_metric` is given.
            hidden: Draw no chart of it.
            summary: Some of `min`, `max`, `mean`, `best`, `first`, `last`, joined by commas: the
                summary has a dict of these instead of the last value, and the count of NaNs, which
                they leave out. `none`: the summary leaves the key out.
            goal: `maximize` makes `best` the greatest value; else it is the smallest.
            overwrite: Forget an earlier definition of the same name.

        Raises:
            ArgumentTypeError: An argument is of a wrong type.
            UsageError: An argument is out of range.
            RunClosedError: The run has finished.
        """
        metric = metric_of(
            name,
            step_metric=step_metric,
            step_sync=step_sync,
            hidden=hidden,
            summary=summary,
            goal=goal,
        )
        record = metric.as_record()
        self._record(
            "define_metric()",
            lambda: self._own_writer().define_metric(record, overwrite=bool(overwrite)),
        )
        return metric

    def note_for_resume(self) -> None:
        """Have `init(resume="auto")` in this folder go on with the run, until it ends well."""
        self._ending.note_for_resume()

    def tell_that_it_goes_on(self) -> None:
        """Say why `init` has started no other run."""
        self._notices.say(
            f"run {self.name} is not finished, so init() has returned it; "
            'init(reinit="create_new") starts another, "finish_previous" ends this one first'
        )

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Callable[..., Run], tuple[object, ...]]:
        """In another process: the same run, with a log of that process in the same folder."""
        parent = None
        if self._process.folder is not None:
            parent = Parent(self._process.folder, self._process.id, self.config.as_dict())
        return _attach, (parent, self.settings, self._facts)

    def __repr__(self) -> str:
        return f"<steplog run {self.entity}/{self.project}/{self.id}>"


# Of each folder the run that this process has: what is pickled more than once is one run.
_known: WeakValueDictionary[str, Run] = WeakValueDictionary()


def _attach(parent: Parent | None, settings: Settings, facts: Facts) -> Run:
    found = None if parent is None else _known.get(str(parent.folder))
    return Run(settings, facts=facts, parent=parent) if found is None else found


__all__ = ["Ack", "Run"]
