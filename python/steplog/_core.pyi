import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Literal, final

from typing_extensions import Buffer, Self, disjoint_base

__all__ = [
    "Decoded",
    "Decoder",
    "LeftFiles",
    "Outcome",
    "Pattern",
    "RawWrite",
    "Recorder",
    "Rows",
    "RunLog",
    "SyncJob",
    "TableBlocks",
    "TableScan",
    "Writer",
    "__version__",
    "ask_output",
    "attempt_parts",
    "cut_output",
    "encode_png",
    "encode_rows",
    "give_output_back",
    "has_unread_output",
    "histogram",
    "is_live",
    "is_output_given_back",
    "merge_summaries",
    "open_lines",
    "peek_start",
    "resume_output",
    "suspend_output",
    "take_rests",
    "unpack_value",
    "wait_output",
]

__version__: str

@final
class Outcome:
    """What a call left for Python to deal with."""

    @property
    def position(self) -> int | None: ...
    @property
    def row(self) -> tuple[int, int] | None: ...
    @property
    def convert(self) -> bool: ...
    @property
    def refused(self) -> tuple[int, int] | None: ...
    @property
    def skipped(self) -> list[tuple[str, str]]: ...
    @property
    def lost(self) -> tuple[int, str] | None: ...

@disjoint_base
class Recorder:
    """The base of a run: its `log`, which goes straight to a writer."""

    def __new__(cls, *_args: object, **_kwargs: object) -> Self: ...
    def log(
        self, data: Mapping[str, object], step: int | None = None, commit: bool | None = None
    ) -> None:
        """Record values at a step.

        Returns once the values are in the write-ahead log, where they survive the death of this
        process; arrays above 4 kB and what lies on a device are taken over at once, read by a
        thread, and are in the log when `status()["deferred"]` is 0. Never waits for disk, network
        or GPU. Safe from any thread.

        Args:
            data: Key to value; nested dicts are paths. A value that cannot be stored costs only
                itself, with one warning per key.
            step: Row to write, >= 0 and at least the current one; a smaller one is refused with a
                warning, or merged into its row under `Settings(late_steps="merge")`. Defaults to
                the current row.
            commit: Whether the row is complete. Defaults to true unless `step` is given.

        Raises:
            ArgumentTypeError: `data` is not a mapping with str keys, or `step` is not an integer.
            RunClosedError: The run has finished.
        """

    def _try_log(
        self, data: Mapping[str, object], step: int | None, commit: bool | None
    ) -> Literal[True] | Outcome | None: ...
    def _record_into(self, writer: Writer | None) -> None: ...
    def _stop_recording(self) -> None: ...
    @property
    def _is_over(self) -> bool: ...

@final
class Writer:
    """One writer of a run. Appends are in the log when they return, and never wait."""

    def __new__(
        cls,
        dir: str | Path,
        *,
        run: str,
        writer: str,
        start: dict[str, object],
        mapped: bool,
        late_steps: bool,
        strict: bool,
        fsync_millis: int,
        heartbeat_millis: int,
        batch_bytes: int,
        base_url: str | None,
        entity: str,
        project: str,
        api_key: str | None,
        keys_file: str | Path,
        ca_file: str | PathLike[str] | None = None,
        max_unsent_bytes: int | None = None,
        next_step: int = 0,
        runtime_nanos: int = 0,
        base: Sequence[bytes] | None = None,
        others: Sequence[bytes] = ...,
    ) -> Writer: ...
    def log(
        self,
        data: dict[str, object],
        step: int | None = None,
        commit: bool | None = None,
        late: dict[str, object] | None = None,
    ) -> Outcome: ...
    def log_late(self, data: dict[str, object], row: tuple[int, int]) -> Outcome: ...
    def define_metric(self, definition: dict[str, object], overwrite: bool) -> int: ...
    def put_facts(self, facts: dict[str, object]) -> int: ...
    def put_artifact(self, said: dict[str, object]) -> int: ...
    def put_file(self, name: str, content: bytes) -> int: ...
    def put_blob(self, name: str, sha256: bytes, size: int) -> int: ...
    def put_sample(self, values: dict[str, object]) -> int: ...
    def put_output(self, stream: int, text: str) -> int: ...
    def take_output(self, stream: int) -> tuple[str, int]:
        """Take what is written to a stream's number.

        Forwarded to where it would have gone and then in the log, both soon; what was written
        before a kill is appended to the log by `take_rests`.

        Returns:
            `redirect`; or `terminal` and the number of the terminal itself, to which this process
            is to write; or `given` when nothing is taken.
        """

    def leave_output(self, timeout_secs: float) -> tuple[int, list[tuple[int, int, int]]]:
        """Take no more.

        All is in the log when it returns, and forwarded unless that takes longer than
        `timeout_secs`.

        Returns:
            How many texts could not be recorded; and what could not be forwarded: the stream, how
            many bytes, and the error of the system.
        """

    def put_alert(self, title: str, text: str, level: str, wait_millis: int) -> int: ...
    def mark_preempting(self) -> int: ...
    def put_config(self, entries: dict[str, object]) -> int: ...
    def put_summary(
        self, written: Sequence[tuple[list[str], object]], deleted: Sequence[list[str]]
    ) -> int: ...
    def summary(self) -> dict[str, object]: ...
    def trends(self) -> list[tuple[str, list[float]]]: ...
    def status(self) -> dict[str, object]: ...
    @property
    def step(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def is_forked(self) -> bool: ...
    @property
    def is_closed(self) -> bool: ...
    def release_inherited_lock(self) -> None: ...
    def want_sync(self) -> None: ...
    def subscribe(self, name: str, position: int) -> int: ...
    def wait(self, name: str, position: int, timeout_secs: float) -> bool: ...
    def correct_exit(self, exit_code: int) -> None: ...
    def expect_exit(self, exit_code: int) -> None: ...
    def begin_finish(self, exit_code: int, deadline_secs: float) -> None: ...
    def join(self, timeout_secs: float) -> bool: ...

@final
class Rows:
    """Rows of a run's folder, merged one at a time."""

    def __iter__(self) -> Iterator[dict[str, object]]: ...
    def __next__(self) -> dict[str, object]: ...

def is_live(writer_dir: str | os.PathLike[str]) -> bool: ...

@final
class RunLog:
    """A run's folder, read once."""

    def __new__(cls, run_dir: str | Path) -> RunLog: ...
    @property
    def row_count(self) -> int: ...
    def writers(self) -> list[dict[str, object]]: ...
    def config(self) -> dict[str, object]: ...
    def summary(self) -> dict[str, object]: ...
    def summary_states(self, label: str) -> tuple[bytes, bytes]: ...
    def summary_before(self, end_step: int, label: str | None = None) -> bytes: ...
    def metrics(self) -> list[dict[str, object]]: ...
    def rows(self) -> Rows: ...
    def sync(
        self,
        writer: str,
        *,
        base_url: str,
        entity: str,
        project: str,
        run: str,
        api_key: str | None,
        keys_file: str | Path,
        timeout_secs: float,
        ca_file: str | PathLike[str] | None = None,
        start: dict[str, object] | None = None,
        revive: bool = False,
    ) -> SyncJob: ...

@final
class SyncJob:
    """The upload of one writer's folder, going on in a thread."""

    def wait(self, timeout_secs: float) -> bool: ...
    def status(self) -> dict[str, object]: ...

@final
class Decoder:
    """One writer's way from batches to blocks."""

    def __new__(cls, run: int, writer: str, label: str, generation: int) -> Decoder: ...
    def restore(
        self, last_steps: Sequence[tuple[str, int]], summary: bytes, console: bytes
    ) -> None: ...
    def decode(
        self,
        body: bytes,
        *,
        after: int,
        acknowledged: int,
        points_after: int,
        patches_after: int,
        samples_after: int,
        lines_after: tuple[int, int],
        max_decoded_bytes: int,
    ) -> Decoded: ...
    def summary_state(self) -> bytes: ...
    def console_state(self) -> bytes: ...

@final
class Decoded:
    """What a batch comes to."""

    @property
    def after(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def records(self) -> int: ...
    @property
    def skipped_kinds(self) -> int: ...
    @property
    def points(self) -> bytes: ...
    @property
    def point_rows(self) -> int: ...
    @property
    def patches(self) -> bytes: ...
    @property
    def patch_rows(self) -> int: ...
    @property
    def last_point(self) -> int: ...
    @property
    def last_patch(self) -> int: ...
    @property
    def samples(self) -> bytes: ...
    @property
    def last_sample(self) -> int: ...
    @property
    def lines(self) -> bytes: ...
    @property
    def start(self) -> dict[str, object] | None: ...
    @property
    def config(self) -> list[tuple[int, dict[str, object]]]: ...
    @property
    def exit_code(self) -> int | None: ...
    @property
    def facts(self) -> list[tuple[int, dict[str, object]]]: ...
    @property
    def artifacts(self) -> list[tuple[int, dict[str, object]]]: ...
    @property
    def files(self) -> list[tuple[str, int, bytes]]: ...
    @property
    def blobs(self) -> list[tuple[str, int, bytes, int]]: ...
    @property
    def alerts(self) -> list[tuple[int, int, str, str, str, int]]: ...
    @property
    def preempting(self) -> bool: ...
    @property
    def keys(self) -> list[tuple[str, int, int, int]]: ...
    @property
    def first_wall(self) -> int: ...
    @property
    def last_wall(self) -> int: ...
    @property
    def last_step(self) -> int: ...
    @property
    def heartbeat(self) -> bool: ...

@final
class Pattern:
    """A regex, matched in time linear in the text, with the interpreter's lock let go."""

    def __new__(cls, source: str) -> Pattern: ...
    def is_match(self, text: str) -> bool: ...

@final
class TableScan:
    """The first reading of the files of a table: what its columns hold."""

    def __new__(cls) -> TableScan: ...
    def feed(self, piece: bytes) -> None:
        """Take the next piece of a file.

        Raises:
            ValueError: It is no table.
        """

    def end_file(self) -> None:
        """A file is over; the next one has more rows of the same columns.

        Raises:
            ValueError: It ends early, or its columns are others.
        """

    @property
    def rows(self) -> int: ...
    def columns(self) -> list[tuple[str, str, str, bool]]:
        """Of each: name, stored as, type as the file says it, whether digits are beside it."""

    def blocks(self) -> TableBlocks:
        """The second reading, of the same files."""

@final
class TableBlocks:
    """The second reading: the rows as `Native` blocks, with the columns `r`, `c0` and so on."""

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next piece of a file; the blocks that are full."""

    def end_file(self) -> None: ...
    def finish(self) -> bytes:
        """The last block, empty for none."""

def open_lines(
    state: bytes,
) -> tuple[int, list[tuple[int, int, int, int, str, str, str]]]: ...
def peek_start(body: bytes, max_decoded_bytes: int) -> dict[str, object] | None: ...
def attempt_parts(
    attempts: Sequence[tuple[str, int, bool, int]],
) -> list[tuple[int | None, bool]]: ...
def encode_png(pixels: object, width: int, height: int, channels: int, depth: int) -> bytes:
    """Encode a contiguous buffer of bytes as a PNG file, without holding the interpreter.

    Args:
        pixels: Rows from the top; numbers of 16 bits have the higher byte first.
        width: In pixels.
        height: In pixels.
        channels: Grey, grey and alpha, RGB, RGBA.
        depth: Bits a channel, 8 or 16.

    Raises:
        ValueError: No PNG file has that.
    """

def histogram(numbers: object, bins: int) -> tuple[list[int], list[float], int, int, int]:
    """Count a buffer of float32 or float64, in one dimension, in bins from least to greatest.

    Returns:
        The counts, their edges, and how many are NaN, infinite, and infinite below zero. There are
        no bins when none is finite, one bin where there are too few floats for more; of many
        float32 the edges are those of equal bins to within half a bin.
    """

def merge_summaries(
    states: Sequence[bytes],
) -> tuple[dict[str, object], list[dict[str, object]]]: ...
def unpack_value(data: bytes) -> object: ...
def encode_rows(
    rows: list[list[object]] | list[tuple[object, ...]],
    nan_is_null: Sequence[bool],
    otherwise: Callable[[object, int], object],
) -> bytes:
    """Rows, which are lists or tuples, as JSON arrays with commas between them.

    The interpreter's lock is held while cells are read, and let go while their text is written.

    Args:
        rows: Some thousand cells at most.
        nan_is_null: For each column, whether NaN is null in it.
        otherwise: What makes a cell plain that is not; called with it and its column's number.

    Raises:
        InternalError: What `otherwise` has returned is not plain.
    """

def cut_output() -> None:
    """The program goes over to another stream: what it has written so far comes first."""

@final
class RawWrite:
    """The `write` of a raw stream whose number is redirected.

    It does not let go of the interpreter's lock for up to 16 KiB, so that the pieces of a `print`,
    each of which is a call, stay as close together as without redirection. What cannot be appended
    to the stream's file, as its number leads elsewhere or the disk is full, is given to `original`.
    """

    def __new__(cls, stream: int, original: Callable[[Buffer], int | None]) -> Self: ...
    def __call__(self, data: Buffer, /) -> int | None: ...

def has_unread_output() -> bool:
    """Whether a terminal has been given something that is not forwarded yet; does not wait."""

def give_output_back(stream: int) -> bool:
    """Give a stream its original back, as ours cannot be written; also in a forked child."""

def is_output_given_back(stream: int) -> bool:
    """Whether a stream has its original back because that fails."""

def ask_output() -> int:
    """Ask for all that was printed by now to be forwarded and recorded, and do not wait for it."""

def wait_output(asked: int, timeout_secs: float) -> bool:
    """Wait until what `ask_output` asked for is done; false when that takes longer."""

def suspend_output() -> None:
    """Give the streams their originals back until `resume_output`."""

def resume_output() -> None:
    """Take the streams again."""

@final
class LeftFiles:
    """The log of a process that was killed: files that it has left are put behind it."""

    @staticmethod
    def open(writer_dir: str | os.PathLike[str]) -> LeftFiles | None:
        """None where the process lives, or has ended by itself, or where the folder is a copy."""
    def append_file(self, name: str, wall: int, content: bytes) -> bool:
        """Whether the log did not have it as it is."""
    def append_blob(self, name: str, wall: int, sha256: bytes, size: int) -> bool: ...
    def show(self) -> None:
        """Let readers find what was appended: all of it, or nothing when killed in it."""

def take_rests(run_dir: str | os.PathLike[str]) -> tuple[int, int]:
    """Append to the logs of processes that were killed what they had printed; gives its bytes.

    The second number is of those that are left, since the folder is a copy.

    On the disk when it returns. Who is killed in it has appended all of a log's rest or nothing.
    """
