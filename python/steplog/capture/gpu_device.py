"""One NVIDIA GPU, or an instance of it: what it is, a sample of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steplog.capture.gpu_readings import MEMORY, READINGS, Reading
from steplog.capture.nvml import NoAnswerError, Nvml, RefusedError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_MIG_ENABLED = 1
# By version: the names without one raise something else than NVML's errors with an older driver.
_COMPUTE, _GRAPHICS, _MPS = (
    ((f"nvmlDeviceGet{kind}RunningProcesses_v3",), (f"nvmlDeviceGet{kind}RunningProcesses_v2",))
    for kind in ("Compute", "Graphics", "MPSCompute")
)
# What is said of our processes' share of these is the whole GPU's value: nobody knows shares.
_UNSHARED = ("gpu", "memory", "temp", "powerWatts", "enforcedPowerLimitWatts", "powerPercent")

# What is asked: its name ("gpu.0", or "gpu.0.mig.1" for an instance), and its handle.
_Part = tuple[str, object]


def known(facts: Mapping[str, object]) -> dict[str, object]:
    """The facts that are not None."""
    return {name: fact for name, fact in facts.items() if fact is not None}


class Device:
    """What CUDA gives a number: a GPU, or one MIG instance of it.

    Every method waits for the driver, and raises `LostError` when the GPU is lost.

    Args:
        nvml: The driver.
        unavailable: Where metrics that will never be read are noted, with the reason.
        ordinal: CUDA's number.
        gpu: The handle of the GPU.
        instance: The number and the handle of the instance, None for all of the GPU.
    """

    def __init__(
        self,
        nvml: Nvml,
        unavailable: dict[str, str],
        *,
        ordinal: int,
        gpu: object,
        instance: tuple[int, object] | None = None,
    ) -> None:
        self.ordinal = ordinal
        self._nvml = nvml
        self._unavailable = unavailable
        self._name = f"gpu.{ordinal}"
        self._gpu = gpu
        self._instance: _Part | None = None
        if instance is not None:
            self._instance = f"{self._name}.mig.{instance[0]}", instance[1]

    def describe(self) -> dict[str, object]:
        """What it is; facts that are not known are absent."""
        name, handle = self._instance or (self._name, self._gpu)
        memory = self._take((name, handle), MEMORY)
        return known(
            {
                "name": self._nvml.ask_fact(name, ("nvmlDeviceGetName",), handle),
                "memoryTotal": int(memory["memoryTotal"]) if memory else None,
                "cudaCores": self._nvml.ask_fact(name, ("nvmlDeviceGetNumGpuCores",), handle),
                "architecture": self._nvml.architecture(name, handle),
                "uuid": self._nvml.ask_fact(name, ("nvmlDeviceGetUUID",), handle),
            }
        )

    def read(self, sample: dict[str, float], pids: Collection[int]) -> None:
        """Adds what can be read now to a sample, as far as it comes before the GPU is lost."""
        gpu = (self._name, self._gpu)
        for reading in READINGS:
            self._add(gpu, reading, sample)
        power = sample.get(f"{self._name}.powerWatts")
        limit = sample.get(f"{self._name}.enforcedPowerLimitWatts")
        if power is not None and limit:
            sample[f"{self._name}.powerPercent"] = 100 * power / limit
        parts: Sequence[_Part] = [gpu]
        totals = [self._add(gpu, MEMORY, sample)]
        instances = self._instances()
        if instances is not None:
            parts = instances
            totals = [self._add(part, MEMORY, sample) for part in parts]
        if pids:
            total_bytes = sum(totals) if all(totals) else 0.0
            self._read_processes(sample, total_bytes, used_bytes=self._used_bytes(parts, pids))

    def _take(self, part: _Part, reading: Reading) -> dict[str, float]:
        """The values of a reading, none when there is no answer; a refusal is noted."""
        name, handle = part
        try:
            return reading.values(self._nvml.ask(name, reading.questions, handle))
        except RefusedError as error:
            for metric in reading.metrics:
                self._unavailable.setdefault(f"{name}.{metric}", str(error))
        except NoAnswerError:
            pass
        return {}

    def _add(self, part: _Part, reading: Reading, sample: dict[str, float]) -> float:
        """Adds a reading to a sample; gives the memory that there is, 0 where that is not read."""
        values = self._take(part, reading)
        total_bytes = values.pop("memoryTotal", 0.0)
        sample.update({f"{part[0]}.{metric}": value for metric, value in values.items()})
        return total_bytes

    def _instances(self) -> list[_Part] | None:
        """The instances that can be used, None when the GPU is not divided."""
        if self._instance is not None:
            return [self._instance]
        try:
            mode, _pending = self._nvml.ask(self._name, [("nvmlDeviceGetMigMode",)], self._gpu)
            if mode != _MIG_ENABLED:
                return None
            most = self._nvml.ask(self._name, [("nvmlDeviceGetMaxMigDeviceCount",)], self._gpu)
        except NoAnswerError:
            return None
        # Handles are asked for each time: they are not valid for ever.
        question = ("nvmlDeviceGetMigDeviceHandleByIndex",)
        found: list[_Part] = []
        for index in range(most):
            name = f"{self._name}.mig.{index}"
            handle = self._nvml.ask_fact(name, question, self._gpu, index)
            if handle is not None:
                found.append((name, handle))
        return found

    def _used_bytes(self, parts: Sequence[_Part], pids: Collection[int]) -> list[int | None]:
        """The memory of each of our processes here, None where it is not told."""
        used_bytes: dict[tuple[str, int], int | None] = {}  # a process can be in several lists
        for name, handle in parts:
            for questions in (_COMPUTE, _GRAPHICS, _MPS):
                try:
                    processes = self._nvml.ask(name, questions, handle)
                except RefusedError as error:
                    if questions is not _COMPUTE:
                        continue
                    self._unavailable.setdefault(f"gpu.process.{self.ordinal}", str(error))
                    return []
                except NoAnswerError:
                    return []  # the sum of what is left would be wrong
                for process in processes:
                    if process.pid in pids:
                        used_bytes[name, process.pid] = process.usedGpuMemory
        return list(used_bytes.values())

    def _read_processes(
        self, sample: dict[str, float], total_bytes: float, *, used_bytes: Sequence[int | None]
    ) -> None:
        if not used_bytes:
            return
        name = f"gpu.process.{self.ordinal}"
        for metric in _UNSHARED:
            value = sample.get(f"{self._name}.{metric}")
            if value is not None:
                sample[f"{name}.{metric}"] = value
        told = [each for each in used_bytes if each is not None]
        if len(told) == len(used_bytes):
            sample[f"{name}.memoryAllocatedBytes"] = float(sum(told))
            if total_bytes:
                sample[f"{name}.memoryAllocated"] = 100 * sum(told) / total_bytes
