"""What a server has of a writer's log, asked of it, and having it take the log anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from steplog import _folder, _keys, _network
from steplog._errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Collection

    from steplog._network import Answer
    from steplog._runs import LocalRun
    from steplog._settings import Settings


@dataclass(frozen=True)
class Server:
    """The server that runs are sent to, and how long an answer may take."""

    settings: Settings
    timeout_secs: float

    def standing(self, run: LocalRun, writer: str) -> Standing:
        """How far the server is with a writer's log.

        Raises:
            ServerError: It cannot be asked.
            UsageError: There is no key for it.
        """
        answer = self._ask(run, writer)
        said = answer.json()
        at = said.get("acknowledged") if isinstance(said, dict) else None
        if not isinstance(at, int) or not answer.server:
            base_url = self.settings.base_url.rstrip("/")
            raise ServerError(f"what answers there is no steplog server: {base_url}")
        records = said.get("records") if isinstance(said, dict) else None
        return Standing(answer.server, at, records if isinstance(records, int) else None)

    def hidden(self, run: LocalRun, writers: Collection[str]) -> dict[str, int]:
        """The attempts that began later than one of these which hides them, and from which step on.

        The server takes an attempt for the next one when it comes, however long ago it began.

        Raises:
            ServerError: It cannot be asked.
            UsageError: There is no key for it.
        """
        said = self._ask(run).json()
        attempts = said.get("writers") if isinstance(said, dict) else None
        if not isinstance(attempts, list) or not all(isinstance(one, dict) for one in attempts):
            return {}
        return {
            str(later.get("writer")): int(own["start_step"])
            for own in attempts
            if own.get("writer") in writers and own.get("resumed")
            for later in attempts
            if later.get("label") == own.get("label")
            and later.get("generation", 0) < own.get("generation", 0)
            and later.get("started", 0) > own.get("started", 0)
            and later.get("end_step") is not None
        }

    def forget(self, run: LocalRun, writer: str, server: str) -> None:
        """Have the server take a writer's log anew, from its first record on.

        Raises:
            ServerError: It cannot be asked, or refuses.
            UsageError: There is no key for it.
            OSError: The folder, which notes how far the server is, cannot be written.
        """
        _folder.write_cursor(run.writer_dir(writer), server, 0)
        self._ask(run, writer, "/records", method="DELETE")

    def _ask(
        self, run: LocalRun, writer: str = "", what: str = "", *, method: str = "GET"
    ) -> Answer:
        base_url = self.settings.base_url.rstrip("/")
        names = (run.identity["entity"], run.identity["project"], run.id)
        entity, project, run_id = (quote(name, safe="") for name in names)
        below = f"/writers/{quote(writer, safe='')}{what}" if writer else ""
        path = f"projects/{entity}/{project}/runs/{run_id}{below}"
        return _network.ask(
            f"{base_url}/api/v1/{path}",
            self.settings.api_key or _keys.key_from_file(base_url),
            ca_file=self.settings.ca_file,
            timeout_secs=self.timeout_secs,
            method=method,
        )


@dataclass(frozen=True)
class Standing:
    """What a server has of a writer's log.

    Attributes:
        server: The server's id.
        acknowledged: The position up to which it has taken the log.
        records: How many of its records it has; None where it does not know.
    """

    server: str
    acknowledged: int
    records: int | None

    def lacks(self, writer: dict[str, Any]) -> int:
        """How many records of a log it does not have, though it is past all of them.

        They could not be read when what stands behind them was sent.
        """
        if self.records is None or writer["live"] or self.acknowledged < writer["last"]:
            return 0
        return max(0, int(writer["records"]) - self.records)


def is_whole(writer: dict[str, Any]) -> bool:
    """Whether all of a log could be read, so that a server may take it anew and lose nothing."""
    return not (writer["damage"] or writer["incomplete"])
