"""Who uploads a writer's log now: two processes that do would only send everything twice."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steplog.server.schema import Code, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    Name = tuple[str, str, str, str]

LEASE_SECS = 15.0
"""How long an uploader that is silent keeps others out: more than the pause between two batches."""
_MAX_LEASES = 10_000
_KINDS = {"live", "sync", "dead"}


@dataclass(frozen=True)
class Uploader:
    """Who asks.

    Attributes:
        host: Tells machines apart that do not see each other's locks.
        kind: `live` is the writer's own process, `sync` another; `dead` is another, too, which has
            seen that the writer's own is dead.
        nonce: Tells uploads of a host apart.
    """

    host: str
    kind: str
    nonce: str

    @classmethod
    def of(cls, text: str) -> Uploader:
        """From the header `Steplog-Uploader`.

        Raises:
            Problem: It is none.
        """
        host, _, rest = text.partition(";")
        kind, _, nonce = rest.partition(";")
        if not (host and nonce) or kind not in _KINDS or len(text) > 128:  # noqa: PLR2004  # ample
            raise Problem(
                Code.INVALID,
                "`Steplog-Uploader` is HOST;KIND;NONCE, and KIND one of live, sync and dead",
                field="Steplog-Uploader",
            )
        return cls(host, kind, nonce)

    def follows(self, other: Uploader) -> bool:
        """Whether this one may go on where another one's lease is not over."""
        is_dead = (other.kind, self.kind) == ("live", "dead") and self.host == other.host
        return self == other or is_dead


class Leases:
    """The leases of this server, in memory: after a restart whoever comes first has one.

    Each batch is stored once whoever sends it, so a lease that is lost costs time and nothing else.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[Name, tuple[Uploader, float]] = {}

    def take(self, name: Name, text: str | None) -> float:
        """Take or renew a writer's lease; who says nothing of himself needs none.

        Returns:
            Seconds for which another uploader has it, or 0.

        Raises:
            Problem: `text` is no uploader.
        """
        if text is None:
            return 0.0
        asker, now = Uploader.of(text), self._clock()
        holder, until = self._held.get(name, (asker, now))
        if until > now and not asker.follows(holder):
            return until - now
        self._held.pop(name, None)  # the newest is the last
        self._held[name] = (asker, now + LEASE_SECS)
        if len(self._held) > _MAX_LEASES:
            del self._held[next(iter(self._held))]
        return 0.0

    def held_secs(self, name: Name) -> float:
        """For how long an upload still has a writer's lease; 0 where none has."""
        held = self._held.get(name)
        return 0.0 if held is None else max(0.0, held[1] - self._clock())

    def give_back(self, name: Name) -> None:
        """The upload is complete."""
        self._held.pop(name, None)

    def end(self, name: Name, text: str | None) -> None:
        """This uploader is refused for good: where it has the lease, others are let in at once.

        Raises:
            Problem: `text` is no uploader.
        """
        if text is not None and name in self._held and self._held[name][0] == Uploader.of(text):
            del self._held[name]
