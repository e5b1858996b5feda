"""The async face of the Rust writer, and the SDK's only import of the extension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from steplog._core import (
    LeftFiles,
    Outcome,
    RawWrite,
    Recorder,
    Rows,
    RunLog,
    SyncJob,
    Writer,
    __version__,
    ask_output,
    cut_output,
    give_output_back,
    has_unread_output,
    is_live,
    is_output_given_back,
    merge_summaries,
    resume_output,
    suspend_output,
    take_rests,
    unpack_value,
    wait_output,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from steplog._settings import Settings

__all__ = [
    "LeftFiles",
    "NullWriter",
    "Outcome",
    "RawWrite",
    "Recorder",
    "Rows",
    "RunLog",
    "SyncJob",
    "Writer",
    "__version__",
    "ask_output",
    "cut_output",
    "give_output_back",
    "has_unread_output",
    "is_live",
    "is_output_given_back",
    "merge_summaries",
    "open_writer",
    "resume_output",
    "suspend_output",
    "take_rests",
    "unpack_value",
    "wait_for",
    "wait_output",
]

Stage = Literal["disk", "server", "done"]


def open_writer(
    run_dir: Path,
    identity: dict[str, Any],
    settings: Settings,
    *,
    keys_file: Path,
    runtime_nanos: int = 0,
    base: Sequence[bytes] | None = None,
    others: Sequence[bytes] = (),
) -> Writer:
    """Create a writer's log below a run's folder, and start its threads.

    A run that goes on has run for `runtime_nanos` before, this label has come to the states `base`,
    and all other writers to `others`.

    Raises:
        StorageError: The folder cannot be written.
        UsageError: An id or the server's address cannot be used.
    """
    return Writer(
        run_dir / "wal" / identity["writer"],
        run=identity["run"],
        writer=identity["writer"],
        start=identity,
        mapped=settings.mapped,
        late_steps=settings.late_steps == "merge",
        strict=settings.strict,
        fsync_millis=int(settings.fsync_secs * 1000),
        batch_bytes=settings.batch_bytes,
        heartbeat_millis=max(int(settings.heartbeat_secs * 1000), 100),
        base_url=settings.base_url if settings.mode == "online" else None,
        entity=settings.entity,
        project=settings.project,
        api_key=settings.api_key,
        keys_file=keys_file,
        ca_file=settings.ca_file or None,
        max_unsent_bytes=settings.max_unsent_bytes or None,
        next_step=identity["start_step"],
        runtime_nanos=runtime_nanos,
        base=base,
        others=others,
    )


async def wait_for(writer: Writer, stage: Stage, position: int) -> None:
    """Wait, without blocking the event loop, until a record has reached a stage or no longer can.

    Cancel: Safe; nothing is undone.
    """
    import socket  # noqa: PLC0415  # 40 ms with the next: only a program that waits pays for it

    import anyio  # noqa: PLC0415

    with socket.socket(fileno=writer.subscribe(stage, position)) as done:
        await anyio.wait_readable(done)


class NullWriter:
    """Takes the writer's place in disabled mode: keeps the last values, records nothing."""

    is_forked = False
    end = -1

    def __init__(self) -> None:
        self._values: dict[str, object] = {}
        self.is_closed = False
        self.step = 0

    def log(self, data: dict[str, object]) -> None:
        """Keep the values."""
        self._values.update(data)

    def release_inherited_lock(self) -> None:
        """There is none."""

    def define_metric(self, definition: dict[str, object], overwrite: bool) -> int:
        """Change nothing: the last values are kept."""
        return len(definition) * int(overwrite) * 0

    def put_facts(self, facts: dict[str, object]) -> int:
        """The run object keeps them itself."""
        return len(facts) * 0

    def mark_preempting(self) -> int:
        """Nobody asks for its state."""
        return 0

    def put_config(self, entries: dict[str, object]) -> int:
        """Change nothing: the config object keeps its values itself."""
        return len(entries) * 0

    def put_summary(self, written: list[tuple[list[str], object]], deleted: list[list[str]]) -> int:
        """Write into the kept values."""
        for path in deleted:
            self._parent(path).pop(path[-1], None)
        for path, value in written:
            self._parent(path)[path[-1]] = value
        return 0

    def _parent(self, path: list[str]) -> dict[str, Any]:
        values: dict[str, Any] = self._values
        for segment in path[:-1]:
            inner = values.get(segment)
            if not isinstance(inner, dict):
                inner = values[segment] = {}
            values = inner
        return values

    def summary(self) -> dict[str, object]:
        """The kept values."""
        return self._values

    def status(self) -> dict[str, object]:
        """There is nothing to tell."""
        return {"upload": "off", "mapped": False, "lost": 0, "rows": 0, "values": 0}
