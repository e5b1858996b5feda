"""What a run records beside values: output, alerts, files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steplog import _names
from steplog._alerts import AlertLevel, alert_of
from steplog._errors import ArgumentTypeError, RunClosedError
from steplog._restore import restore
from steplog._run_end import Ends
from steplog._save_paths import Policy, wish
from steplog._writer import NullWriter

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from datetime import timedelta
    from typing import TextIO

    from steplog._settings import Settings
    from steplog._summary import Summary

_PRINTED_SECS = 0.02
"""Longest time that `write_logs` waits for what was printed before: its reader may have stopped."""


class Records(Ends):
    """The calls of a run that record something else than values."""

    __slots__ = ()

    entity: str
    project: str
    id: str
    settings: Settings
    summary: Summary

    @property
    def dir(self) -> str:
        """The folder of the run's files; empty when disabled."""
        return str(self._process.folder / "files") if self._process.folder else ""

    def _record(self, call: str, put: Callable[[], object]) -> None:
        """Make the record of a call, unless a daemon thread asks while the interpreter ends."""
        if self._is_over:
            return
        try:
            self._owed.put(put)
        except RunClosedError:
            if not self._is_over:
                raise RunClosedError.at(call) from None

    def write_logs(self, text: str) -> None:
        """Add text and a line's end to the run's output, as if they were printed.

        In the log when it returns.

        Raises:
            ArgumentTypeError: It is no text.
            RunClosedError: The run has finished.
        """
        if not isinstance(text, str):
            raise ArgumentTypeError(f"write_logs() takes text, got {type(text).__name__}")
        writer = self._own_writer()
        if not isinstance(writer, NullWriter):
            if self._console is not None:
                self._console.flush(_PRINTED_SECS)  # what was printed before comes first
            self._record(
                "write_logs()", lambda: writer.put_output(1, _names.whole_text(text) + "\n")
            )

    def alert(  # noqa: PLR0917  # as in the reference
        self,
        title: str,
        text: str = "",
        level: str | AlertLevel | None = None,
        wait_duration: float | timedelta | None = None,
    ) -> None:
        """Tell people something: it is shown on the page, and the server's webhook hears of it.

        In the log when it returns; without a server people are told by `steplog sync`.

        Args:
            title: What it is about; of more than 200 letters the first are kept, and `…`.
            text: More of it.
            level: `INFO`, which is the default, `WARN` or `ERROR`.
            wait_duration: Of one title no other alert is told within so many seconds; a minute by
                default.

        Raises:
            ArgumentTypeError: An argument is of a wrong type.
            UsageError: It is out of range.
            RunClosedError: The run has finished.
        """
        alert = alert_of(title, text, level=level, wait_duration=wait_duration)
        writer = self._own_writer()
        if not isinstance(writer, NullWriter):
            self._record("alert()", lambda: writer.put_alert(*alert))

    def save(  # noqa: PLR0917  # as in the reference
        self,
        glob_str: str | os.PathLike[str],
        base_path: str | os.PathLike[str] | None = None,
        policy: Policy = "live",
        glob: bool = True,
    ) -> list[str]:
        """Have files go to the server with the run, of any size.

        A file of up to 1 MiB is in the log when it returns. A larger one is copied into the run's
        folder soon after, from what is open now, so that it may be removed at once; `finish` waits
        for that. A folder stands for all files below it.

        Args:
            glob_str: A path, or a pattern of paths with `*`, `?`, `[…]` and `**`, looked up now.
            base_path: The folder that names are relative to; by default the working directory, for
                an absolute path the folder two above, and for what is in `run.dir` that.
            policy: `live`: again whenever it has changed; `now`: once; `end`: when the run ends.
            glob: Whether `glob_str` is a pattern.

        Returns:
            Where the files are in the run's folder.

        Raises:
            ArgumentTypeError: An argument is of a wrong type.
            UsageError: The path leads out of the base, or there is no such policy.
            RunClosedError: The run has finished.
        """
        wanted = wish(glob_str, base_path, policy=policy, is_glob=glob, run_dir=self.dir)
        self._check_open("save")
        if wanted is None:
            self._notices.warn("remote", f"{glob_str} is not saved: it is in another storage")
            return []
        if wanted.is_short:
            self._notices.warn(
                "short",
                f"of {glob_str} only the last folder's name is kept; with a base_path all below it",
            )
        return self._files.save(wanted)

    def _check_open(self, call: str) -> None:
        if self.is_finished and not self._is_over:
            raise RunClosedError.at(f"{call}()")

    def restore(  # noqa: PLR0917  # as in the reference
        self,
        name: str,
        run_path: str | None = None,
        replace: bool = False,
        root: str | os.PathLike[str] | None = None,
    ) -> TextIO | None:
        """Open a file of this run, or of another one, to read it as text.

        What is in `root` counts; else it is downloaded from the server into it.

        Args:
            name: What it is called in the run.
            run_path: `project/id` or `entity/project/id`; this run when it is online.
            replace: Download it also where it is there.
            root: A folder; `run.dir` by default.

        Returns:
            The file, open; `.name` is its path. None when the run has no such file.

        Raises:
            ArgumentTypeError: An argument is of a wrong type.
            UsageError: The name leads out of the folder, or `run_path` is no path of a run.
            ServerError: The server refused or cannot be reached.
        """
        if run_path is None and self.settings.mode == "online":
            run_path = f"{self.entity}/{self.project}/{self.id}"
        where = self.dir or "." if root is None else root
        return restore(name, run_path, settings=self.settings, replace=replace, root=where)

    def watch(  # noqa: PLR0917  # as in the reference
        self,
        models: object,
        criterion: object = None,
        log: str | None = "gradients",
        log_freq: int = 1000,
        idx: int | None = None,
        log_graph: bool = False,
    ) -> None:
        """Record histograms of a torch model's gradients and parameters, as it trains.

        Each parameter's gradient is counted in every `log_freq`-th backward pass, as the pass
        computes it (before it is added to an earlier one, averaged over processes, unscaled or
        clipped), the parameters behind every `log_freq`-th forward pass of the model. They are in
        the row that is open then. On the CPU they are counted in the pass, on another device by
        that device, and nothing waits for it. Nothing of it raises into the pass. `finish` and
        `unwatch` leave the model as it was; a copy of it is not watched.

        Args:
            models: A `torch.nn.Module`, or a list of such. What is frozen now has no gradients.
            criterion: Accepted, and does nothing.
            log: `gradients`, `parameters`, `all` or None.
            log_freq: How many passes lie from one histogram to the next.
            idx: Number of the first model; by default as many as this process has watched. The keys
                are `gradients/NAME` and `parameters/NAME`; from 1 on NAME begins with
                `graph_NUMBER`.
            log_graph: Record the model's layers, too, as its next forward pass calls them: a
                `Graph` in `summary["graph_NUMBER"]`.

        Raises:
            ArgumentTypeError: An argument is of a wrong type.
            UsageError: An argument is out of range, or a model's graph has been asked for before.
            RunClosedError: The run has finished.
        """
        del criterion
        self._check_open("watch")
        if self._watch is None:
            from steplog._watch import Watch  # noqa: PLC0415  # for users of torch

            self._watch = Watch(self._log_watched, self._keep_watched, self._notices)
        self._watch.add(models, what=log, log_freq=log_freq, idx=idx, with_graph=log_graph)

    def _log_watched(self, values: Mapping[str, object]) -> None:
        self.log(values, commit=False)

    def _keep_watched(self, key: str, value: object) -> None:
        self.summary[key] = value

    def unwatch(self, models: object = None) -> None:
        """Record nothing more of models that the run watches, by default of none.

        Raises:
            ArgumentTypeError: It is no model.
        """
        if self._watch is not None:
            self._watch.remove(models)
        elif models is not None:
            self._notices.warn("", "unwatch() of a model that the run does not watch")

    def mark_preempting(self) -> None:
        """Say that this process is about to be preempted.

        If it then ends without success, the run is `preempted` rather than failed or crashed. In
        the log when it returns.

        Raises:
            RunClosedError: The run has finished.
        """
        self._record("mark_preempting()", lambda: self._own_writer().mark_preempting())
