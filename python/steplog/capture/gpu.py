"""The NVIDIA GPUs of this process: which those are, and all of them at once."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from steplog.capture.gpu_device import Device, known
from steplog.capture.gpu_visible import VARIABLE, visible
from steplog.capture.nvml import LostError, NoAnswerError, Nvml

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping


class Unavailable(Exception):  # noqa: N818  # a state of the machine, not a mistake
    """There is no NVIDIA GPU to record; the message says why."""


class Gpus:
    """The NVIDIA GPUs that this process can use, numbered as CUDA numbers them.

    Every method waits for the driver, for as long as it hangs: call from a thread that can be left
    behind, one call at a time. What cannot be read is left out; no value is invented.

    Args:
        environ: Where `CUDA_VISIBLE_DEVICES` is looked up; None for this process's environment.

    Attributes:
        unavailable: Why a metric (`gpu.0.fanSpeed`), all of the processes on a GPU
            (`gpu.process.0`) or all of a GPU (`gpu.0`) will not be read again.

    Raises:
        Unavailable: There is no driver, or no GPU that may be used.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        # No setting of ours: CUDA reads it, and so must we.
        environ = os.environ if environ is None else environ  # noqa: TID251
        listed = environ.get(VARIABLE)
        self.unavailable: dict[str, str] = {}
        self._devices: list[Device] = []
        try:
            self._nvml = Nvml()
        except (NoAnswerError, LostError) as error:
            raise Unavailable(f"NVML: {error}") from None
        try:
            self._devices.extend(self._find(listed))
        except (NoAnswerError, LostError) as error:
            self.close()
            raise Unavailable(f"NVML: {error}") from None
        if not self._devices:
            self.close()
            gone = "; ".join(f"{name}: {why}" for name, why in self.unavailable.items())
            none = "no GPU" if listed is None else f"no GPU in {VARIABLE}={listed!r}"
            raise Unavailable(f"NVML: {gone or none}")

    def facts(self) -> dict[str, object]:
        """What the GPUs and their driver are, for a run's metadata; what is not known is absent."""
        gpus = []
        for device in tuple(self._devices):
            with self._until_lost(device):
                gpus.append(device.describe())
        version = self._nvml.ask_fact("", ("nvmlSystemGetCudaDriverVersion_v2",))
        return known(
            {
                "gpu": gpus[0].get("name") if gpus else None,
                "gpu_count": len(gpus),
                "gpu_nvidia": gpus,
                "cudaVersion": version and f"{version // 1000}.{version % 1000 // 10}",
                "driverVersion": self._nvml.ask_fact("", ("nvmlSystemGetDriverVersion",)),
            }
        )

    def read(self, pids: Collection[int]) -> dict[str, float]:
        """One sample of every GPU: metric to value.

        Args:
            pids: The processes of the run. Of a GPU that one of them uses, `gpu.process.<i>.…` says
                what memory they have there together, and how that GPU does.
        """
        sample: dict[str, float] = {}
        for device in tuple(self._devices):
            with self._until_lost(device):
                device.read(sample, pids)
        return sample

    def close(self) -> None:
        """Lets go of the driver; nothing is read after that."""
        self._devices.clear()
        self._nvml.close()

    @contextmanager
    def _until_lost(self, device: Device) -> Iterator[None]:
        """A GPU that gets lost inside is noted, and not asked again; the others go on."""
        try:
            yield
        except LostError as error:
            self.unavailable[f"gpu.{device.ordinal}"] = str(error)
            self._devices.remove(device)

    def _find(self, listed: str | None) -> Iterator[Device]:
        count = self._nvml.ask("", [("nvmlDeviceGetCount",)])
        uuids = [self._uuid(index) for index in range(count)]
        for ordinal, found in enumerate(visible(listed, uuids)):
            try:
                yield self._device(ordinal, found)
            except (NoAnswerError, LostError) as error:
                if isinstance(found, str):
                    return  # as for CUDA, nothing counts behind an instance that is not there
                self.unavailable[f"gpu.{ordinal}"] = str(error)

    def _uuid(self, index: int) -> str:
        try:
            return str(self._nvml.ask(f"index {index}", [("nvmlDeviceGetUUID",)], self._gpu(index)))
        except (NoAnswerError, LostError):
            return ""

    def _gpu(self, index: int) -> object:
        return self._nvml.ask(f"index {index}", [("nvmlDeviceGetHandleByIndex",)], index)

    def _device(self, ordinal: int, found: int | str) -> Device:
        if isinstance(found, int):
            return Device(self._nvml, self.unavailable, ordinal=ordinal, gpu=self._gpu(found))
        handle = self._nvml.ask(found, [("nvmlDeviceGetHandleByUUID",)], found)
        gpu = self._nvml.ask(found, [("nvmlDeviceGetDeviceHandleFromMigDeviceHandle",)], handle)
        instance = self._nvml.ask(found, [("nvmlDeviceGetIndex",)], handle), handle
        return Device(self._nvml, self.unavailable, ordinal=ordinal, gpu=gpu, instance=instance)
