"""What is read of an NVIDIA GPU at each sample: the metrics, by what NVML is asked for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from steplog.capture.nvml import Question

if TYPE_CHECKING:
    from collections.abc import Callable


class Reading(NamedTuple):
    """One question about a device, and the metrics that depend on its answer."""

    metrics: tuple[str, ...]
    questions: tuple[Question, ...]  # the best first: older drivers and bindings lack some
    values: Callable[[Any], dict[str, float]]


def _one(name: str, *questions: Question, per_unit: int = 1, also: tuple[str, ...] = ()) -> Reading:
    """A reading of one number; `also` names what is computed from it."""
    return Reading((name, *also), questions, lambda answer: {name: answer / per_unit})


def _ecc(kind: str) -> Question:
    # Since the driver was loaded: the counter of a lifetime stays up after a repair.
    place = "NVML_MEMORY_LOCATION_DEVICE_MEMORY"
    return "nvmlDeviceGetMemoryErrorCounter", kind, "NVML_VOLATILE_ECC", place


class _Memory(Protocol):
    used: int
    total: int


def _memory(answer: _Memory) -> dict[str, float]:
    share = {"memoryAllocated": 100 * answer.used / answer.total} if answer.total else {}
    return {"memoryAllocatedBytes": float(answer.used), **share, "memoryTotal": float(answer.total)}


# The first version counts what the driver keeps for itself as used.
MEMORY = Reading(
    ("memoryAllocatedBytes", "memoryAllocated"),
    (("nvmlDeviceGetMemoryInfo", "nvmlMemory_v2"), ("nvmlDeviceGetMemoryInfo",)),
    _memory,
)
READINGS = (
    Reading(
        ("gpu", "memory"),
        (("nvmlDeviceGetUtilizationRates",),),
        lambda answer: {"gpu": float(answer.gpu), "memory": float(answer.memory)},
    ),
    _one("temp", ("nvmlDeviceGetTemperature", "NVML_TEMPERATURE_GPU")),
    _one("powerWatts", ("nvmlDeviceGetPowerUsage",), per_unit=1000, also=("powerPercent",)),
    _one(
        "enforcedPowerLimitWatts",
        ("nvmlDeviceGetEnforcedPowerLimit",),
        per_unit=1000,
        also=("powerPercent",),
    ),
    _one("smClock", ("nvmlDeviceGetClockInfo", "NVML_CLOCK_SM")),
    _one("memoryClock", ("nvmlDeviceGetClockInfo", "NVML_CLOCK_MEM")),
    _one("graphicsClock", ("nvmlDeviceGetClockInfo", "NVML_CLOCK_GRAPHICS")),
    _one("fanSpeed", ("nvmlDeviceGetFanSpeed",)),
    Reading(
        ("encoderUtilization",),
        (("nvmlDeviceGetEncoderUtilization",),),
        lambda answer: {"encoderUtilization": float(answer[0])},
    ),
    _one("correctedMemoryErrors", _ecc("NVML_MEMORY_ERROR_TYPE_CORRECTED")),
    _one("uncorrectedMemoryErrors", _ecc("NVML_MEMORY_ERROR_TYPE_UNCORRECTED")),
    _one("energyJoules", ("nvmlDeviceGetTotalEnergyConsumption",), per_unit=1000),
    _one("pcieLinkGen", ("nvmlDeviceGetCurrPcieLinkGeneration",)),
    _one("pcieLinkWidth", ("nvmlDeviceGetCurrPcieLinkWidth",)),
    _one(
        "throttleReasons",
        ("nvmlDeviceGetCurrentClocksEventReasons",),
        ("nvmlDeviceGetCurrentClocksThrottleReasons",),
    ),
)
