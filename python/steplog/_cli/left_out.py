"""Log files that `steplog sync --partial` left out, which their server never takes later."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from steplog import _folder, _keys, _network
from steplog._cli.form import explain
from steplog._errors import ServerError
from steplog._terminal import count, say
from steplog._writer import RunLog

if TYPE_CHECKING:
    from steplog._runs import LocalRun
    from steplog._settings import Settings


@dataclass(frozen=True)
class LeftOut:
    """What a server has not been given of a writer's log, before what it has or is to be given.

    Attributes:
        dir: The writer's folder.
        last: Position of the last record that can be read.
        server: The server's id; empty where nothing was ever missing, and it was not asked.
        before: What the folder's note says of the server.
        noted: Files of it that the server is past, and up to where each had been sent.
        gone: The same of files that are missing or incomplete, which the server is not past.
        incomplete: Those that are there, but not whole.
    """

    dir: Path
    last: int
    server: str = ""
    before: dict[str, int] = field(default_factory=dict)
    noted: dict[str, int] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    incomplete: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, run: LocalRun, writer: dict[str, Any], settings: Settings, *, timeout_secs: float
    ) -> LeftOut:
        """Ask the server how far it is, where a file is missing or one was left out before.

        Raises:
            ServerError: The server cannot be asked.
            UsageError: There is no key for it.
        """
        folder = run.writer_dir(writer["writer"])
        gone, notes = _gone_of(folder, writer), _folder.read_left_out(folder)
        if not gone and not notes:
            return cls(folder, writer["last"])
        server, at = _standing(run, writer["writer"], settings, timeout_secs=timeout_secs)
        before = notes.get(server, {})
        return cls(
            folder,
            writer["last"],
            server=server,
            before=before,
            # A server that has lost or deleted the run is given everything once more.
            noted={name: sent for name, sent in before.items() if at >= _folder.end_of(name)},
            gone={
                # What is there of an incomplete one is sent.
                name: max(at, _last_of(folder / name))
                for name in gone
                if at < _folder.end_of(name)
            },
            incomplete=frozenset(name for name in gone if (folder / name).exists()),
        )

    @property
    def files(self) -> dict[str, int]:
        """All of them."""
        return {**self.noted, **self.gone}

    def note(self) -> None:
        """Keep it in the folder, before it is so: whoever is killed in between has left it out."""
        if self.files == self.before:
            return
        try:
            _folder.write_left_out(self.dir, self.server, self.files)
        except OSError as error:
            say(f"warning: what is left out cannot be noted: {explain(error)}")

    def lacking(self, *, partial: bool) -> tuple[int, list[str]]:
        """What the server lacks for good when it has all that could be sent.

        Args:
            partial: Whether nothing is to be said of files that are missing.

        Returns:
            How many records of files that are here, and what to say of each file.
        """
        records, said = 0, []
        for name, sent in sorted(self.files.items()):
            path = self.dir / name
            if self.last < _folder.end_of(name):
                continue  # nothing behind it: it can still be sent
            if not path.exists():
                if not partial:
                    said.append(
                        f"{path} is missing and was left out by --partial; all else is there"
                    )
                continue
            if name in self.incomplete:
                if not partial:
                    said.append(f"{path} is incomplete, the rest of it was left out by --partial")
                continue
            number = _records_behind(path, sent)
            if number:
                records += number
                said.append(
                    f"{count(number, 'record')} of {path} {'was' if number == 1 else 'were'} left "
                    "out by --partial and cannot be sent to this server any more"
                )
        return records, said


def _gone_of(folder: Path, writer: dict[str, Any]) -> list[str]:
    """The names of a writer's log files that are missing or incomplete before later ones."""
    if not writer["incomplete"]:
        return []
    here = _folder.segments(folder)
    cut = {Path(path).name for path in writer["incomplete"]}
    names: list[str] = []
    while _folder.end_of(name := _folder.segment_name(len(names) + 1)) < writer["last"]:
        names.append(name)
    return [name for name in names if name not in here or name in cut]


def _standing(
    run: LocalRun, writer: str, settings: Settings, *, timeout_secs: float
) -> tuple[str, int]:
    """The server's id, and how far it has acknowledged a writer's log.

    Raises:
        ServerError: It cannot be asked.
        UsageError: There is no key for it.
    """
    base_url = settings.base_url.rstrip("/")
    names = (run.identity["entity"], run.identity["project"], run.id, writer)
    entity, project, run_id, writer_id = (quote(name, safe="") for name in names)
    url = f"{base_url}/api/v1/projects/{entity}/{project}/runs/{run_id}/writers/{writer_id}"
    answer = _network.ask(
        url,
        settings.api_key or _keys.key_from_file(base_url),
        ca_file=settings.ca_file,
        timeout_secs=timeout_secs,
    )
    said = answer.json()
    at = said.get("acknowledged") if isinstance(said, dict) else None
    if not isinstance(at, int) or not answer.server:
        raise ServerError(f"what answers there is no steplog server: {base_url}")
    return answer.server, at


def _last_of(path: Path) -> int:
    """The position of the last record that a log file holds; 0 for none."""
    if not path.exists():
        return 0
    with tempfile.TemporaryDirectory(prefix="steplog-") as root:
        return max((int(writer["last"]) for writer in _alone(path, root)), default=0)


def _alone(path: Path, root: str) -> list[dict[str, Any]]:
    """The writers of a run that has this log file and no other."""
    folder = Path(root, "all", "wal", "w")
    folder.mkdir(parents=True)
    (folder / path.name).symlink_to(path.resolve())
    writers: list[dict[str, Any]] = RunLog(folder.parent.parent).writers()
    return writers


def _records_behind(path: Path, sent: int) -> int:
    """How many records of a log file are behind a position."""
    with tempfile.TemporaryDirectory(prefix="steplog-") as root:
        begin = sent - _folder.begin_of(path.name)
        number = sum(int(writer["records"]) for writer in _alone(path, root))
        if begin < 0:
            return number
        # The record at this position is the last that was sent.
        cut = Path(root, "sent", "wal", "w")
        cut.mkdir(parents=True)
        shutil.copyfile(path, cut / path.name)
        with (cut / path.name).open("r+b") as file:
            file.truncate(begin)
        return number - _records(cut) - 1


def _records(writer_dir: Path) -> int:
    log = RunLog(writer_dir.parent.parent)
    writers: list[dict[str, Any]] = log.writers()
    return sum(int(writer["records"]) for writer in writers)
