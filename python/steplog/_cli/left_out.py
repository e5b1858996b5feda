"""Log files that `steplog sync --partial` left out, until all of the log is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steplog import _folder
from steplog._cli.form import explain
from steplog._terminal import say

if TYPE_CHECKING:
    from steplog._cli.standing import Server
    from steplog._runs import LocalRun


@dataclass(frozen=True)
class LeftOut:
    """What a server has not been given of a writer's log, before what it has or is to be given.

    Attributes:
        dir: The writer's folder.
        last: Position of the last record that can be read.
        server: The server's id; empty where nothing was ever missing, and it was not asked.
        before: What the folder's note says of the server.
        noted: Files of it that the server is past, and how far it was when each was left out.
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
    def of(cls, run: LocalRun, writer: dict[str, Any], server: Server) -> LeftOut:
        """Ask the server how far it is, where a file is missing or one was left out before.

        Raises:
            ServerError: The server cannot be asked.
            UsageError: There is no key for it.
        """
        folder = run.writer_dir(writer["writer"])
        gone, notes = _gone_of(folder, writer), _folder.read_left_out(folder)
        if not gone and not notes:
            return cls(folder, writer["last"])
        standing = server.standing(run, writer["writer"])
        at, before = standing.acknowledged, notes.get(standing.server, {})
        return cls(
            folder,
            writer["last"],
            server=standing.server,
            before=before,
            # A server that has lost or deleted the run is given everything once more.
            noted={name: was for name, was in before.items() if at >= _folder.end_of(name)},
            gone={name: at for name in gone if at < _folder.end_of(name)},
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

    def told(self) -> list[str]:
        """What to say of each file that the server does without."""
        said = []
        for name in sorted(self.files):
            path = self.dir / name
            if self.last < _folder.end_of(name):
                continue  # nothing behind it: it can still be sent
            if not path.exists():
                said.append(f"{path} is missing and was left out by --partial; all else is there")
            elif name in self.incomplete:
                said.append(f"{path} is incomplete, the rest of it was left out by --partial")
        return said


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
