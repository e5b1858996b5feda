"""One sample of everything but the GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steplog.capture.cgroup import Cgroup
from steplog.capture.host import Host
from steplog.capture.processes import ProcessTree

if TYPE_CHECKING:
    from collections.abc import Sequence


class System:
    """The processes of the run, their control group, and the machine; one thread at a time."""

    def __init__(self, disk_paths: Sequence[str]) -> None:
        self.processes = ProcessTree()
        self._host = Host(disk_paths)
        self._cgroup = Cgroup()

    @property
    def unavailable(self) -> dict[str, str]:
        """What samples had not, with the reason."""
        return self._host.unavailable

    def read(self) -> dict[str, float]:
        """One sample; docs/capture.md has the names and units."""
        return {**self.processes.read(), **self._host.read(), **self._cgroup.read()}
