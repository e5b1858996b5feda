"""Artifacts into a run's log: what they hold, and then what was done with them."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import threading
from typing import TYPE_CHECKING

from steplog._blob_folder import BlobFolder, signature
from steplog._errors import ArtifactNotLoggedError, ServerError, UsageError
from steplog._tracked_file import SMALL_BYTES
from steplog.artifacts import names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from steplog._process_writer import ProcessWriter
    from steplog._settings import Settings
    from steplog._writer import Writer
    from steplog.artifacts.artifact import Artifact
    from steplog.artifacts.staging import Staged
    from steplog.client.portal import Portal

__all__ = ["ArtifactLog"]

_FOLDER = ".artifacts"
_SHA256 = re.compile(r"\b[0-9a-f]{64}\b")
_PIECE_BYTES = 1 << 20


class ArtifactLog:
    """Records artifacts with one run.

    Args:
        settings: Those of the run.
        process: Where the log is.
        run_id: Of the run.
        kept: Hashes of large contents that are kept, to which those of artifacts are added.
        status: The run in numbers, and whether it is over.
    """

    def __init__(
        self,
        settings: Settings,
        process: ProcessWriter,
        *,
        run_id: str,
        kept: set[bytes],
        status: Callable[[], tuple[Mapping[str, object], bool]],
    ) -> None:
        self._run_id = run_id
        self._settings = settings
        self._process = process
        self._kept = kept
        self._status = status
        self._sequences: dict[str, str] = {}
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._portal: Portal | None = None
        self._put: set[str] = set()
        """What is in this process's log."""
        self._immutable: dict[Path, Staged] = {}
        """Large files that must stay as they are until the server has them, by what the log has."""

    def _look(self) -> None:
        if self._pid != os.getpid():  # a child has a log of its own
            self._begin()

    # ---- what is recorded -----------------------------------------------------------------------

    def log(self, artifact: Artifact, writer: Writer, folder: Path, **more: object) -> None:
        """Record an artifact with all that it holds; `more` is as of the record's map.

        In the log when it returns, what is over 1 MiB beside it.

        Raises:
            UsageError: An immutable file of it has changed.
            StorageError: There is no room.
            OSError: The same, beside the log.
            RunClosedError: The run has ended.
        """
        self._look()
        if artifact.is_logged:
            artifact.client_id = secrets.token_hex(16)
        manifest = artifact.manifest.encode()
        with self._lock:
            for staged in artifact.staged.values():
                self._put_file(staged, writer, folder)
            sha256 = hashlib.sha256(manifest).hexdigest()
            if sha256 not in self._put:
                self._put_content(manifest, sha256, writer=writer, folder=folder)
            sequence = self._sequences.setdefault(artifact.base_name, secrets.token_hex(16))
            said = {
                "op": "log",
                "id": artifact.client_id,
                "sequence": sequence,
                "type": artifact.type,
                "name": artifact.base_name,
                "description": artifact.description,
                "metadata": names.metadata_of(artifact.metadata),
                "digest": artifact.manifest.digest(),
                "manifest": sha256,
                "size": artifact.manifest.size(),
                "count": len(artifact.manifest),
                **self._base_of(artifact),
                **more,
            }
            writer.put_artifact(said)
        artifact.take_log(self)

    def _base_of(self, artifact: Artifact) -> dict[str, object]:
        if not artifact.incremental:
            return {}
        where = f"{self._settings.entity}/{self._settings.project}/{artifact.base_name}"
        return {"base": f"{where}:latest"}

    def use(self, artifact: Artifact, writer: Writer, use_as: str | None) -> None:
        """Record that the run uses an artifact.

        Raises:
            StorageError: There is no room.
            RunClosedError: The run has ended.
        """
        writer.put_artifact(
            {"op": "use", "artifact": artifact.id or artifact.client_id, "use_as": use_as or ""}
        )

    def link(
        self, artifact: Artifact, writer: Writer, *, to: names.Place, aliases: list[str]
    ) -> None:
        """Record that an artifact is to be in another collection, too.

        Raises:
            StorageError: There is no room.
            RunClosedError: The run has ended.
        """
        where = f"{to.entity}/{to.project}/{to.name}"
        said = {"op": "link", "artifact": artifact.id or artifact.client_id, "to": where}
        writer.put_artifact({**said, "aliases": aliases})

    def _put_file(self, staged: Staged, writer: Writer, folder: Path) -> None:
        if staged.sha256 in self._put:
            return
        staged.check()
        if staged.size <= SMALL_BYTES:
            content = staged.path.read_bytes()
            if hashlib.sha256(content).hexdigest() != staged.sha256:
                raise UsageError(f"{staged.path} has changed since it was added")
            writer.put_file(f"{_FOLDER}/{staged.sha256}", content)
        else:
            sha256 = bytes.fromhex(staged.sha256)
            self._kept.add(sha256)
            blobs = self._blobs(folder)
            blobs.take(staged.path, sha256)
            if staged.signature:
                self._immutable[blobs.path(sha256)] = staged
            writer.put_blob(f"{_FOLDER}/{staged.sha256}", sha256, staged.size)
        self._put.add(staged.sha256)

    def _put_content(self, content: bytes, sha256: str, *, writer: Writer, folder: Path) -> None:
        name = f"{_FOLDER}/{sha256}"
        if len(content) <= SMALL_BYTES:
            writer.put_file(name, content)
        else:
            digest = bytes.fromhex(sha256)
            self._kept.add(digest)
            self._blobs(folder).keep(content, digest)
            writer.put_blob(name, digest, len(content))
        self._put.add(sha256)

    def _blobs(self, folder: Path) -> BlobFolder:
        return BlobFolder(folder / "wal" / self._process.id)

    # ---- the way to the server ------------------------------------------------------------------

    def portal(self) -> Portal:
        """The way to the server.

        Raises:
            ArtifactNotLoggedError: The run is offline.
        """
        if self._settings.mode != "online":
            raise ArtifactNotLoggedError(
                "an offline run logs artifacts into its folder: steplog sync sends them, and then "
                "Api.artifact() knows them"
            )
        self._look()
        with self._lock:
            if self._portal is None:
                from steplog.client.connection import Connection  # noqa: PLC0415  # 100 ms, and only for who waits or reads
                from steplog.client.portal import Portal  # noqa: PLC0415
                from steplog.client.reader import Reader  # noqa: PLC0415

                self._portal = Portal(Reader(Connection(None, None, settings=self._settings)))
            return self._portal

    def why_never(self, awaits: str | None) -> str:
        """As of `LoggedBy`."""
        if awaits is not None:
            return self.changed(awaits) or self._refused(awaits)
        status, is_over = self._status()
        reason = str(status.get("upload_reason") or "")
        if status.get("upload") == "refused":
            return reason or "the server has refused the run"
        is_all_there = status.get("records") == status.get("acknowledged_records")
        if is_over and not (is_all_there and not status.get("files_waiting")):
            return "the run is over, and not all of it is there: steplog sync sends it"
        return ""

    def why_not_yet(self) -> str:
        """As of `LoggedBy`."""
        status, _ = self._status()
        reason = status.get("files_reason") if status.get("files_waiting") else None
        return str(reason or status.get("upload_reason") or "")

    def _refused(self, awaits: str) -> str:
        """How the server refuses a content of this process's log that it waits for; or nothing.

        It is asked once the upload has met a refusal: that may have been of another file, or have
        been for a moment only.
        """
        status, _ = self._status()
        if not (status.get("files_waiting") and status.get("files_reason")):
            return ""
        from steplog.client.artifacts import ArtifactRequests  # noqa: PLC0415  # with its libraries

        portal = self.portal()
        run = (self._settings.entity, self._settings.project, self._run_id)
        ask = ArtifactRequests(portal.reader.connection).refusal
        for sha256 in self._put.intersection(_SHA256.findall(awaits)):
            try:
                refusal = portal.call(ask, run, self._process.id, sha256)
            except ServerError:  # it cannot be reached now
                return ""
            if refusal is not None:
                return str(refusal)
        return ""

    def changed(self, awaited: str | None = None) -> str:
        """Which immutable file of this process's log is not as it was recorded; or nothing.

        The server may have had it before.

        Args:
            awaited: Only one whose hash is in this text.
        """
        self._look()
        with self._lock:
            for kept, staged in self._immutable.items():
                if (awaited is None or staged.sha256 in awaited) and self._is_other(kept, staged):
                    return f"{staged.path} is not as it was recorded: it has changed since"
        return ""

    def _is_other(self, kept: Path, staged: Staged) -> bool:
        """Whether what the log has of a file, by a link, is another content by now."""
        try:
            with kept.open("rb") as file:
                found = signature(os.fstat(file.fileno()))
                if found[:2] != staged.signature[:2] or found == staged.signature:
                    return False  # a copy, or nobody has written into it
                hashed = hashlib.sha256()
                while piece := file.read(_PIECE_BYTES):
                    hashed.update(piece)
        except OSError:  # the server has it, and it is kept no longer
            return False
        if hashed.hexdigest() != staged.sha256:
            return True
        self._immutable[kept] = staged._replace(signature=found)  # its time alone is another one
        return False

    def find(self, name: str, kind: str | None) -> Artifact:
        """A version at the server.

        Raises:
            UsageError: It is of another type, or the name is none.
            NotFoundError: There is none.
            ServerError: The server refused or cannot be reached.
        """
        from steplog.artifacts.artifact import Artifact  # noqa: PLC0415  # with what it needs
        from steplog.client.artifacts import ArtifactRequests  # noqa: PLC0415  # as above

        place = names.Place.parse(
            name, entity=self._settings.entity, project=self._settings.project
        )
        portal = self.portal()
        requests = ArtifactRequests(portal.reader.connection)
        version = portal.call(requests.version, place)
        names.check_kind(version.type, kind, name)
        return Artifact.of(version, portal)
