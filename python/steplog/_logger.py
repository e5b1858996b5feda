"""What a call of `log` or `alog` does that a writer cannot do alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from steplog import _values
from steplog._errors import ArgumentTypeError, InternalError, RunClosedError, StorageError
from steplog._later import keys_of
from steplog._reaching import Tickets, check_ack, reach, reach_call
from steplog._turns import TURNS, check_loop
from steplog._writer import NullWriter, Outcome, Recorder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steplog._later import LateValues
    from steplog._notices import Notices
    from steplog._reaching import Ack
    from steplog._settings import Settings
    from steplog._writer import Writer


class Logger(Recorder):
    """The side of a run that takes values in: its `log` comes from `Recorder`."""

    __slots__ = ("_late", "_notices", "settings")
    _late: LateValues
    _notices: Notices
    settings: Settings

    def _own_writer(self) -> Writer | NullWriter:
        """The writer of this process."""
        raise NotImplementedError

    def _log_otherwise(
        self,
        data: object,
        step: int | None,
        commit: bool | None,
        *,
        tickets: Tickets | None = None,
    ) -> Outcome | None:
        """Log what `Recorder.log` leaves to Python: no dict, or no writer that it can use."""
        if self._is_over:
            return None
        values = data if isinstance(data, dict) else self._read(data)
        try:
            writer = self._own_writer()
        except StorageError as error:
            self._notices.lose(1, error)
            return None
        if isinstance(writer, NullWriter):
            writer.log(values)
            return None
        try:
            outcome = writer.log(values, step, commit)
        except RunClosedError:
            raise _closed(tickets) from None
        return self._settle(outcome, (values, step, commit), tickets=tickets)

    def _read(self, data: object) -> dict[str, object]:
        """The entries of a mapping that is no dict; none, where its own code raises."""
        from collections.abc import Mapping  # noqa: PLC0415  # only for what is not a dict

        if not isinstance(data, Mapping):
            raise ArgumentTypeError(f"log() takes a dict, got {type(data).__name__}")
        values, skipped = _values.entries_of(data)
        self._notices.skip(skipped)
        return values

    def _settle(
        self,
        outcome: Outcome,
        call: tuple[Mapping[str, object], int | None, bool | None],
        *,
        tickets: Tickets | None = None,
    ) -> Outcome | None:
        """Deal with what a writer could not take as it was.

        With `tickets`, to which its deferred values are added, large arrays are not copied: the
        caller waits for them.
        """
        if outcome.convert:
            try:
                outcome = self._convert_and_log(*call, tickets=tickets)
            except RunClosedError:
                if self._is_over:  # a daemon thread, while the interpreter ends
                    return None
                raise _closed(tickets) from None
        self._notices.settle(outcome, call[0])
        return outcome

    def _convert_and_log(
        self,
        data: Mapping[str, object],
        step: int | None,
        commit: bool | None,
        *,
        tickets: Tickets | None,
    ) -> Outcome:
        plain, late, skipped = _values.split(data, lent=tickets is not None)
        self._notices.skip(skipped)
        if late and tickets is not None:
            check_loop()  # before anything is recorded
        writer = self._own_writer()
        if isinstance(writer, NullWriter):
            raise InternalError("a disabled run converts nothing")
        lent = {key: value for key, value in late.items() if _values.is_lent(value)}
        others = {key: value for key, value in late.items() if key not in lent}
        # Before the row is in the log: whoever finishes the run waits for what has a ticket.
        taken = {self._late.reserve(values): values for values in (lent, others) if values}
        try:
            outcome = writer.log(plain, step, commit, keys_of(late) if late else None)
        except BaseException:
            for ticket in taken:
                self._late.drop(ticket)
            raise
        for ticket, values in taken.items():
            if outcome.row is None:
                self._late.drop(ticket)
                continue
            row = (writer, outcome.row)
            self._late.add(ticket, row, values, is_awaited=tickets is not None)
            if tickets is not None:
                (tickets.lent if values is lent else tickets.others).add(ticket)
        return outcome

    async def alog(
        self,
        data: Mapping[str, object],
        step: int | None = None,
        commit: bool | None = None,
        *,
        ack: Ack = "log",
    ) -> None:
        """Record values at a step.

        Returns once the values, those of devices and large arrays included, are in the write-ahead
        log, where they survive the death of this process; `ack="disk"` waits for fsync,
        `ack="server"` for the server's acknowledgement. Lets other tasks run after each millisecond
        of uninterrupted use, however many tasks log. Safe from any task or thread, on asyncio and
        trio.

        Args:
            data: As for `log`.
            step: As for `log`.
            commit: As for `log`.
            ack: What to wait for.

        Raises:
            ArgumentTypeError: `data` is not a mapping with str keys, or `step` is not an integer.
            UsageError: `ack="server"` in a run that is offline; or there is something to wait for,
                and no event loop. Nothing is recorded then.
            RunClosedError: The run has finished.
            StorageError: `ack="disk"` or `"server"`, and there was no room for the record, or it
                could not be put on the disk.
            ServerError: `ack="server"`, and the server refused for good.

        Cancel: Safe. The record is in the log entirely or not at all. Large arrays are read where
            they lie: nobody may write into them before this returns, or raises when cancelled.
        """
        if ack == "log":
            rest = self._try_log(data, step, commit)
            if rest is not True:
                await reach_call(self._late, self._log_rest(rest, (data, step, commit)))
            if time.perf_counter() - TURNS.since > TURNS.secs:
                await TURNS.give_way()
            return
        check_ack(ack, self.settings.mode)
        check_loop()
        writer = self._own_writer()
        tickets = Tickets()
        outcome = self._log_otherwise(data, step, commit, tickets=tickets)
        if outcome is not None and outcome.lost is not None:
            raise StorageError(*outcome.lost)
        await reach_call(self._late, tickets)
        if not isinstance(writer, NullWriter):
            await reach(writer, ack)

    def _log_rest(
        self,
        rest: Outcome | None,
        call: tuple[Mapping[str, object], int | None, bool | None],
    ) -> Tickets:
        """Deal with what `_try_log` has left; gives what there is to wait for."""
        tickets = Tickets()
        if rest is None:
            self._log_otherwise(*call, tickets=tickets)
        else:
            self._settle(rest, call, tickets=tickets)
        return tickets


def _closed(tickets: Tickets | None) -> RunClosedError:
    return RunClosedError.at("log()" if tickets is None else "alog()")
