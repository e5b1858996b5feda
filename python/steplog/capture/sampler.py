"""The task that takes samples: each source in a worker thread, and given up when it hangs."""

from __future__ import annotations

import contextlib
import functools
import importlib
import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from steplog.capture.gpu import Gpus, Unavailable
from steplog.capture.imports import importing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import TypeVar

    from steplog.capture.metadata import Metadata
    from steplog.capture.system import System

    T = TypeVar("T")

DEADLINE_SECS = 5.0
"""Longer than any sample takes that ever comes."""


class Sampler:
    """Takes samples every `interval_secs`, the first one after that time, until cancelled.

    `put` records one, and says whether the run still takes any. `begun` is set once all sources
    have been asked. A source that fails, or does not answer within `deadline_secs`, is not asked
    again, and the metadata says so.
    """

    def __init__(
        self,
        system: System,
        metadata: Metadata,
        *,
        put: Callable[[dict[str, Any]], bool],
        environ: Mapping[str, str],
        interval_secs: float,
        begun: threading.Event | None = None,
        deadline_secs: float = DEADLINE_SECS,
    ) -> None:
        self._environ = environ
        self._system = system
        self._metadata = metadata
        self._put = put
        self._interval_secs = interval_secs
        self._begun = begun
        self._deadline_secs = deadline_secs
        self._given_up: set[str] = set()
        self._gpus: Gpus | None = None
        self._unavailable = 0

    async def run(self) -> None:
        """Take samples; returns when the run takes no more."""
        # The GPUs join in at once: a driver that is asked first may take seconds to answer.
        gpus = await self._read("gpu", self._open_gpus)
        if gpus and not self._put(gpus):
            return
        if self._begun is not None:
            self._begun.set()
        due = anyio.current_time()
        while True:
            # On a grid; a sample that took longer leaves out those that it covers.
            due += self._interval_secs * (1 + (anyio.current_time() - due) // self._interval_secs)
            await anyio.sleep_until(due)
            sample = await self._sample()
            if sample and not self._put(sample):
                return

    async def _sample(self) -> dict[str, float]:
        sample = await self._read("system", self._system.read) or {}
        if self._gpus is not None:
            read = functools.partial(self._read_gpus, self._gpus, self._system.processes.pids)
            sample |= await self._read("gpu", read) or {}
        return sample

    async def _read(self, source: str, read: Callable[[], T]) -> T | None:
        """What a source says; None when it is not asked any more."""
        if source in self._given_up:
            return None
        reason = f"no answer within {self._deadline_secs:g} s"
        with anyio.move_on_after(self._deadline_secs):
            try:
                return await anyio.to_thread.run_sync(read, abandon_on_cancel=True)
            except Exception as error:  # what a machine does not have may be missing in many ways
                reason = f"{type(error).__name__}: {error}"
        self._given_up.add(source)
        self._metadata.not_available(source, reason)
        await anyio.to_thread.run_sync(self._metadata.write)
        return None

    def _open_gpus(self) -> dict[str, float]:
        try:
            with contextlib.suppress(ImportError), importing():  # `Gpus` says that it is missing
                importlib.import_module("pynvml")
            gpus = Gpus(self._environ)
            self._metadata.add(**gpus.facts())
        except Unavailable as error:
            self._metadata.not_available("gpu", str(error))
            self._metadata.write()
            return {}
        self._gpus = gpus
        sample = self._read_gpus(gpus, self._system.processes.pids)
        self._metadata.write()
        return sample

    def _read_gpus(self, gpus: Gpus, pids: Collection[int]) -> dict[str, float]:
        sample = gpus.read(pids)
        if len(gpus.unavailable) > self._unavailable:
            for name, reason in gpus.unavailable.items():
                self._metadata.not_available(name, reason)
            self._unavailable = len(gpus.unavailable)
            self._metadata.write()
        return sample
