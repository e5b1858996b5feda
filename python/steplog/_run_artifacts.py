"""What a run does with artifacts: it logs, uses and links them."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from steplog import _code
from steplog._errors import ArgumentTypeError, RunClosedError, StorageError, UsageError
from steplog._reference import Nothing
from steplog._run_records import Records
from steplog._writer import NullWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from steplog._artifact_log import ArtifactLog
    from steplog._media_files import MediaFiles
    from steplog._save_paths import Found
    from steplog._writer import Writer
    from steplog.artifacts import Artifact

__all__ = ["Artifacts"]

_REGISTRY = "model-registry"
"""The project of models that are linked by name alone, as in the reference."""


class Artifacts(Records):
    """The calls of a run that have to do with artifacts."""

    __slots__ = ()

    _artifacts: ArtifactLog | None
    _media: MediaFiles
    group: str

    def log_artifact(  # noqa: PLR0917  # as in the reference
        self,
        artifact_or_path: Artifact | str | os.PathLike[str],
        name: str | None = None,
        type: str | None = None,
        aliases: Iterable[str] | None = None,
        tags: Iterable[str] | None = None,
    ) -> Artifact:
        """Log an artifact: a version of a dataset, a model, or whatever it is.

        It is in the log when this returns, with all that it holds; what is over 1 MiB lies beside
        the log. So it survives the death of this process, and works offline: `steplog sync` sends
        it then. The server makes it a version once all of it is there, unless one of the same
        content is there already, which gets its aliases; `wait` waits for that. Blocks while files
        are read, never for the network.

        Args:
            artifact_or_path: The artifact; or the path of a file or folder, or the address of a
                reference, which becomes one.
            name: Of one from a path; `run-ID-` and the last part of the path by default.
            type: Of one from a path; `unspecified` by default.
            aliases: What the version is called, besides `latest`.
            tags: Its labels.

        Returns:
            The artifact. From now on nothing can be put into it.

        Raises:
            ArgumentTypeError: An argument is of a wrong type.
            UsageError: An argument is out of range, or a file cannot be taken: see
                `Artifact.add_file`.
            RunClosedError: The run has finished.
            StorageError: There is no room, and the run is to raise that
                (`Settings.storage_errors`); else it is told of, and nothing of it is logged.
        """
        return self._log_artifact(
            "log_artifact", artifact_or_path, (name, type), aliases=aliases, tags=tags
        )

    async def alog_artifact(  # noqa: PLR0917  # as its twin
        self,
        artifact_or_path: Artifact | str | os.PathLike[str],
        name: str | None = None,
        type: str | None = None,
        aliases: Iterable[str] | None = None,
        tags: Iterable[str] | None = None,
    ) -> Artifact:
        """Log an artifact as `log_artifact` does, on a thread: the event loop goes on.

        Cancel: It is logged all the same.
        """
        import anyio.to_thread  # noqa: PLC0415  # 35 ms: only a program that waits pays for it

        work = partial(self.log_artifact, artifact_or_path, name, type, aliases, tags)
        return await anyio.to_thread.run_sync(work)

    def upsert_artifact(  # noqa: PLR0917  # as in the reference
        self,
        artifact_or_path: Artifact | str | os.PathLike[str],
        name: str | None = None,
        type: str | None = None,
        aliases: Iterable[str] | None = None,
        distributed_id: str | None = None,
    ) -> Artifact:
        """Log a part of an artifact that several runs make together; see `log_artifact`.

        The server makes one version of all parts when one of the runs calls `finish_artifact`.

        Args:
            artifact_or_path: See `log_artifact`.
            name: See `log_artifact`; by default `run-GROUP-` and the last part of the path.
            type: See `log_artifact`.
            aliases: See `log_artifact`.
            distributed_id: What the parts have in common; the run's group by default.

        Raises:
            ArgumentTypeError: There is neither a `distributed_id` nor a group; or as of
                `log_artifact`, as all else.
        """
        more = {"distributed": self._distributed("upsert_artifact", distributed_id), "final": False}
        return self._log_artifact(
            "upsert_artifact", artifact_or_path, (name, type), aliases=aliases, more=more
        )

    def finish_artifact(  # noqa: PLR0917  # as in the reference
        self,
        artifact_or_path: Artifact | str | os.PathLike[str],
        name: str | None = None,
        type: str | None = None,
        aliases: Iterable[str] | None = None,
        distributed_id: str | None = None,
    ) -> Artifact:
        """Log the last part of an artifact that several runs make: see `upsert_artifact`."""
        more = {"distributed": self._distributed("finish_artifact", distributed_id), "final": True}
        return self._log_artifact(
            "finish_artifact", artifact_or_path, (name, type), aliases=aliases, more=more
        )

    def use_artifact(  # noqa: PLR0917  # as in the reference
        self,
        artifact_or_name: Artifact | str,
        type: str | None = None,
        aliases: Iterable[str] | None = None,
        use_as: str | None = None,
    ) -> Artifact:
        """Say that this run uses an artifact, and get it.

        That it does is in the log when this returns. Blocks while the server is asked for a name.

        Args:
            artifact_or_name: `name:alias`, `project/name:alias` or `entity/project/name:v3`;
                without an alias the latest. Or an artifact; one that is not logged yet is logged.
            type: What it has to be.
            aliases: Of one that is logged by this.
            use_as: What it is used as.

        Raises:
            ArgumentTypeError: An argument is of a wrong type; or the run is offline, where nobody
                knows the name.
            UsageError: It is of another type, or the name is none.
            NotFoundError: There is no such artifact.
            ServerError: The server refused or cannot be reached.
            RunClosedError: The run has finished.
        """
        if self.settings.mode == "disabled":
            return _nothing()
        self._check_open("use_artifact")
        from steplog.artifacts.names import check_kind  # noqa: PLC0415  # for who has some

        log = self._artifact_log()
        if isinstance(artifact_or_name, str):
            if self.settings.mode == "offline":
                raise ArgumentTypeError(
                    "use_artifact() of a name asks the server, and the run is offline"
                )
            found = log.find(artifact_or_name, type)
        else:
            found = _checked("use_artifact", artifact_or_name)
            check_kind(found.type, type, found.name)
            if not found.is_logged:
                self.log_artifact(found, aliases=aliases)
        self._put("use_artifact", lambda writer, _: log.use(found, writer, use_as or found.use_as))
        return found

    async def ause_artifact(  # noqa: PLR0917  # as its twin
        self,
        artifact_or_name: Artifact | str,
        type: str | None = None,
        aliases: Iterable[str] | None = None,
        use_as: str | None = None,
    ) -> Artifact:
        """Use an artifact as `use_artifact` does, on a thread: the event loop goes on.

        Cancel: The use is recorded all the same.
        """
        import anyio.to_thread  # noqa: PLC0415  # 35 ms: only a program that waits pays for it

        work = partial(self.use_artifact, artifact_or_name, type, aliases, use_as)
        return await anyio.to_thread.run_sync(work)

    def link_artifact(
        self,
        artifact: Artifact,
        target_path: str,
        aliases: Iterable[str] | None = None,
    ) -> Artifact:
        """Have an artifact in another collection, too.

        In the log when it returns; the server links it once it is committed.

        Args:
            artifact: One that is not logged yet is logged.
            target_path: `collection`, `project/collection` or `entity/project/collection`.
            aliases: What it is called there.

        Returns:
            The artifact, as it is where it was logged.

        Raises:
            ArgumentTypeError: An argument is of a wrong type.
            UsageError: The path or an alias is none.
            RunClosedError: The run has finished.
        """
        if self.settings.mode == "disabled":
            return _nothing()
        self._check_open("link_artifact")
        from steplog.artifacts import names  # noqa: PLC0415  # for who has some

        to = names.Place.parse(target_path, entity=self.entity, project=self.project)
        called = names.aliases_of(aliases)
        found = _checked("link_artifact", artifact)
        log = self._artifact_log()
        if not found.is_logged:
            self.log_artifact(found)
        self._put("link_artifact", lambda writer, _: log.link(found, writer, to=to, aliases=called))
        return found

    # ---- code ------------------------------------------------------------------------------------

    def log_code(  # noqa: PLR0917  # as in the reference
        self,
        root: str | os.PathLike[str] | None = ".",
        name: str | None = None,
        include_fn: Callable[[str], bool] | Callable[[str, str], bool] | None = None,
        exclude_fn: Callable[[str], bool] | Callable[[str, str], bool] | None = None,
    ) -> Artifact | None:
        """Record the code in a folder: in the run's folder `code`, and as an artifact.

        In the log when it returns. Hidden folders, links, installed packages and folders of runs
        are left out. `config["_wandb"]["code_path"]` is the artifact's name.

        Args:
            root: The folder.
            name: Of the artifact, whose type is `code`; `source-`, the project and the program's
                path by default.
            include_fn: Whether a path is taken, called with it, and with the root if it has two
                parameters; by default Python and notebooks, `Dockerfile*`, `requirements*.txt` and
                `pyproject.toml` are.
            exclude_fn: The same of a path that is not taken.

        Returns:
            The artifact; None, with a warning, when there are no such files, and in a disabled run.

        Raises:
            ArgumentTypeError: An argument is of a wrong type.
            UsageError: There is no such folder.
            RunClosedError: The run has finished.
        """
        found = _code.collect("." if root is None else root, include_fn, exclude_fn)
        self._check_open("log_code")
        if self._process.folder is None:
            return None
        if not found:
            self._notices.warn("", f"log_code() has found no code in {root}")
            return None
        self._files.save_found(found, "now")
        return self._log_code(found, name)

    def _log_code(self, found: Sequence[Found], name: str | None) -> Artifact:
        from steplog.artifacts import Artifact, names  # noqa: PLC0415  # for who has some

        if name is None:
            script = _code.program().script
            ran = "interactive" if script is None else _code.name_of(script)
            name = names.name_for("source", self.project, ran)
        artifact = Artifact(name, "code")
        for one in found:
            artifact.add_file(one.path, one.name.removeprefix(f"{_code.FOLDER}/"))
        self.log_artifact(artifact)
        writer = self._own_writer()
        if not isinstance(writer, NullWriter):
            self._media.panels.note(writer.put_config, "code_path", artifact.base_name)
        return artifact

    # ---- models ---------------------------------------------------------------------------------

    def log_model(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        aliases: Iterable[str] | None = None,
    ) -> None:
        """Log a file or folder as an artifact of type `model`; see `log_artifact`.

        Args:
            path: The file or folder.
            name: `run-ID-` and the last part of the path by default.
            aliases: What the version is called, besides `latest`.
        """
        self.log_artifact(path, name, "model", aliases)

    def use_model(self, name: str) -> str | None:
        """Use a model, and download it; see `use_artifact` and `Artifact.download`.

        Returns:
            Its file, or its folder where it has more than one; None in a disabled run.

        Raises:
            ArgumentTypeError: The run is offline.
            UsageError: It is no model: its type does not hold that word. Or as of `use_artifact`.
            OSError: The folder cannot be written.
        """
        found = self.use_artifact(name)
        if self.settings.mode == "disabled":
            return None
        if "model" not in found.type.lower():
            raise UsageError(f"the artifact {name} is no model, it is of type {found.type!r}")
        folder = found.download()
        entries = list(found.manifest.entries)
        return os.fspath(Path(folder, entries[0])) if len(entries) == 1 else folder

    def link_model(  # noqa: PLR0917  # as in the reference
        self,
        path: str | os.PathLike[str],
        registered_model_name: str,
        name: str | None = None,
        aliases: Iterable[str] | None = None,
    ) -> Artifact | None:
        """Log a file or folder as a model, and have it in a collection of registered models.

        Args:
            path: The file or folder.
            registered_model_name: The collection, in the project `model-registry`.
            name: `run-ID-` and the last part of the path by default.
            aliases: What the version is called there.

        Returns:
            The artifact; None in a disabled run.

        Raises:
            UsageError: The collection's name holds a slash or colon; or as of `log_artifact`, as
                all else.
        """
        if self.settings.mode == "disabled":
            return None
        self._check_open("link_model")
        if any(sign in str(registered_model_name) for sign in "/:"):
            raise UsageError(
                f"registered_model_name is a name without / and :, got {registered_model_name!r}"
            )
        logged = self.log_artifact(path, name, "model")
        return self.link_artifact(logged, f"{_REGISTRY}/{registered_model_name}", aliases)

    # ---- how it is done -------------------------------------------------------------------------

    def _artifact_log(self) -> ArtifactLog:
        if self._artifacts is None:
            from steplog._artifact_log import ArtifactLog  # noqa: PLC0415  # for who has some

            self._artifacts = ArtifactLog(
                *(self.settings, self._process),
                run_id=self.id,
                kept=self._media.kept,
                status=lambda: (self.status(), self.is_finished),
            )
        return self._artifacts

    def status(self) -> dict[str, object]:
        """The run in numbers."""
        raise NotImplementedError

    def _log_artifact(
        self,
        call: str,
        given: Artifact | str | os.PathLike[str],
        called: tuple[str | None, str | None],
        *,
        aliases: Iterable[str] | None,
        tags: Iterable[str] | None = None,
        more: dict[str, object] | None = None,
    ) -> Artifact:
        if self.settings.mode == "disabled":
            return _nothing()
        self._check_open(call)
        from steplog.artifacts import names  # noqa: PLC0415  # for who has some

        said: dict[str, Any] = {"aliases": names.with_latest(aliases), "tags": names.tags_of(tags)}
        if isinstance(given, (str, os.PathLike)):
            # Parts of one artifact have one name, whichever run makes them.
            owner = self.id if more is None else str(more["distributed"])
            found = _from_path(given, called, owner)
        else:
            found = _checked(call, given)
        if more is not None:
            found.distributed_id = str(more["distributed"])
        log = self._artifact_log()
        self._put(
            call, lambda writer, folder: log.log(found, writer, folder, **said, **(more or {}))
        )
        return found

    def _put(self, call: str, put: Callable[[Writer, Path], object]) -> None:
        """Record something, unless a daemon thread asks while the interpreter ends."""
        if self._is_over:
            return
        writer, folder = self._own_writer(), self._process.folder
        if isinstance(writer, NullWriter) or folder is None:
            return
        try:
            put(writer, folder)
        except RunClosedError:
            if not self._is_over:
                raise RunClosedError.at(f"{call}()") from None
        except StorageError as error:
            self._notices.lose(1, error)
        except OSError as error:
            self._notices.lose(1, StorageError(error.errno, error.strerror or str(error)))

    def _changed_file(self) -> str:
        """Which file of an artifact is not as it was recorded, and cannot be sent; or nothing."""
        return "" if self._artifacts is None else self._artifacts.changed()

    def _use_in_config(self, artifact: Artifact, key: str) -> None:
        """A config's key has an artifact: the run uses it."""
        self.use_artifact(artifact, use_as=key)

    def _distributed(self, call: str, distributed_id: str | None) -> str:
        found = distributed_id or self.group
        if not found and self.settings.mode != "disabled":
            raise ArgumentTypeError(f"{call}() needs a distributed_id, or a run with a group")
        return str(found)


def _nothing() -> Artifact:
    return cast("Artifact", Nothing())


def _checked(call: str, given: object) -> Artifact:
    from steplog.artifacts import Artifact  # noqa: PLC0415  # for who has some

    if not isinstance(given, Artifact):
        raise ArgumentTypeError(f"{call}() takes an Artifact, got {given.__class__.__name__}")
    return given


def _from_path(
    path: str | os.PathLike[str], called: tuple[str | None, str | None], owner: str
) -> Artifact:
    """A draft of a file, a folder or a reference."""
    from steplog.artifacts import Artifact, names, references  # noqa: PLC0415  # for who has some

    name, kind = called
    text = os.fsdecode(path)
    base = text.rstrip("/").rpartition("/")[2] or "root"
    name = names.name_for("run", owner, base) if name is None else name
    artifact = Artifact(name, "unspecified" if kind is None else kind)
    if references.is_reference(text):
        artifact.add_reference(text)
    elif Path(text).is_dir():
        artifact.add_dir(text)
    else:
        artifact.add_file(text)
    return artifact
