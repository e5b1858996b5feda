"""What the commands say, and in which form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steplog._terminal import count, say

if TYPE_CHECKING:
    from steplog._runs import LocalRun


def one_line(text: str) -> str:
    """The text without line breaks."""
    return " ".join(text.split())


def explain(error: Exception) -> str:
    """The error in one line: what failed, why, where."""
    if isinstance(error, OSError):
        reason = error.strerror or str(error) or type(error).__name__
        where = f": {error.filename}" if error.filename else ""
        return one_line(f"{reason}{where}")
    return one_line(str(error)) or type(error).__name__


def cut_off(path: str, offset: int, size: int) -> str:
    """What a torn tail is, and where."""
    return f"a record cut off after {count(size, 'byte')}, at byte {offset} of {path}"


def warn_of_damage(run: LocalRun) -> None:
    """Name each damaged place of a run's log, and each record that was cut off."""
    for torn in run.torn:
        say(f"the log ends with {cut_off(*torn)}")
    for path, offset, what in run.damage:
        say(f"warning: damage in the log: {what} at byte {offset} of {path}")
