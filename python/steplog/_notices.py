"""What a run says on stderr, and how much it could not record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steplog._errors import InternalError, StorageError, UsageError
from steplog._terminal import say, shorten
from steplog._values import copied

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from steplog._settings import Settings
    from steplog._writer import Outcome


_LEAST_STEP = -(1 << 63)
"""What every smaller step is told as."""
_MOST_KEYS = 100
"""Keys of one call that are named; there may be a million."""


class Notices:
    """The lines and the warnings of one run, and the counts behind the warnings.

    Attributes:
        counts: What was `refused` (smaller steps), `skipped` (values that cannot be stored) and
            `lost` (no disk space).
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._warned: set[str] = set()
        self.counts = {"refused": 0, "skipped": 0, "lost": 0}

    def say(self, text: str) -> None:
        """Say a line, unless the run is to be quiet."""
        if not (self._settings.quiet or self._settings.silent):
            say(text)

    def warn(self, once: str, text: str) -> None:
        """Warn; with a name in `once` only the first time."""
        if self._settings.silent or (once and once in self._warned):
            return
        self._warned.add(once)
        say(f"warning: {text}")

    def tell_lost(self, count: int, why: object) -> None:
        """Values are lost: there is no room for them. Never raises."""
        self.counts["lost"] += count
        self.warn("lost", f"values are lost: {why}")

    def lose(self, count: int, error: StorageError) -> None:
        """The same in a call.

        Raises:
            StorageError: That is what the run is to do.
        """
        self.tell_lost(count, error.strerror or error)
        if self._settings.storage_errors == "raise":
            raise error

    def tell_skipped(self, skipped: Sequence[tuple[str, str]], what: str = "") -> None:
        """Count and warn as `skip` does, and never raise: nobody is there to catch it."""
        self.counts["skipped"] += len(skipped)
        of = f"{what} " if what else ""
        for key, reason in skipped[:_MOST_KEYS]:
            name = shorten(repr(key), 80)
            self.warn(f"skip {of}{key}", f"{of}{name} is not recorded: {reason}")
        if len(skipped) > _MOST_KEYS:
            more = len(skipped) - _MOST_KEYS
            self.warn("skip more", f"{more:,} more values of one call are not recorded")

    def skip(self, skipped: Sequence[tuple[str, str]], what: str = "") -> None:
        """Values cannot be stored: (key, reason) of each; `what` they are of, if not of a row.

        Raises:
            UsageError: There are some, and the run is strict.
        """
        if skipped and self._settings.strict:
            self.counts["skipped"] += len(skipped)
            raise UsageError(f"cannot store {skipped[0][0]!r}: {skipped[0][1]}")
        self.tell_skipped(skipped, what)

    def settle(self, outcome: Outcome, data: Mapping[str, object]) -> None:
        """Tell what a call of `log` could not record.

        Raises:
            UsageError: A value could not be stored, and the run is strict.
            StorageError: The disk had no room, and the run is to raise that.
        """
        if outcome.convert:
            raise InternalError("converted values are not plain")
        if outcome.refused is not None:
            self.counts["refused"] += 1
            asked, current = outcome.refused
            step = f"step {asked}" if asked > _LEAST_STEP else f"a step of {asked} or below"
            self.warn(
                "",
                f"{step} is smaller than the current step {current}: the values "
                f"{shorten(', '.join(map(str, copied(data))), 80)} are not recorded"
                + (' (Settings(late_steps="merge") merges them into their row)' * (asked >= 0)),
            )
        if outcome.lost is not None:
            errno, why = outcome.lost
            if errno:
                self.lose(1, StorageError(errno, why))
            else:
                self.tell_lost(1, why)
        self.skip(outcome.skipped)
