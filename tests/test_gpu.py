"""NVIDIA GPUs: what is read of them, by NVML, here from a library that answers as a test says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from steplog.capture.gpu_visible import visible

SOURCE = Path(__file__).parent / "nvml" / "fake_nvml.c"
LIBRARY = "libnvidia-ml.so.1"
MIB, GIB = 1 << 20, 1 << 30
RESERVED = 256 * MIB

# What every program of these tests begins with.
PRELUDE = """
import json, os, pathlib
from steplog.capture.gpu import Gpus, Unavailable

def say(*lines):
    file = pathlib.Path(os.environ["FAKE_NVML"])
    file.with_suffix(".new").write_text("\\n".join(lines) + "\\n")
    file.with_suffix(".new").replace(file)

def answer(found):
    print(json.dumps(found))

def reason(environ=None):
    try:
        Gpus(environ)
    except Unavailable as error:
        return str(error)
"""

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler, cc")


def compiled(folder, *flags):
    strict = ("-Wall", "-Wextra", "-Werror")
    subprocess.run(
        ["cc", *strict, *flags, "-shared", "-fPIC", "-o", str(folder / LIBRARY), str(SOURCE)],
        check=True,
    )
    return folder


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """The folder of the library."""
    return compiled(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="session")
def old_library(tmp_path_factory):
    """The folder of a library as a driver of 2020 has it."""
    return compiled(tmp_path_factory.mktemp("old-nvml"), "-DOLD_DRIVER")


class Machine:
    """A machine whose NVML says what it is told to."""

    def __init__(self, folder, library):
        self._folder = folder
        self._library = library

    def run(self, code, *lines, **environ):
        """What a program answers with, where NVML says so."""
        (self._folder / "nvml.txt").write_text("\n".join(lines) + "\n")
        inherited = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
        process = subprocess.run(
            [sys.executable, "-W", "error", "-c", PRELUDE + code],
            env={
                **inherited,
                "LD_LIBRARY_PATH": str(self._library),
                "FAKE_NVML": str(self._folder / "nvml.txt"),
                "FAKE_NVML_CALLS": str(self._folder / "calls.txt"),
                **environ,
            },
            capture_output=True,
            text=True,
            timeout=25,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        return json.loads(process.stdout)

    @property
    def calls(self):
        """How often each function was called about each GPU."""
        return Counter((self._folder / "calls.txt").read_text().splitlines())


@pytest.fixture
def machine(tmp_path, library):
    return Machine(tmp_path, library)


@pytest.fixture
def old_machine(tmp_path, old_library):
    return Machine(tmp_path, old_library)


def of_gpu(ordinal, index):
    """What the library says of a GPU that CUDA gives a number."""
    values = {
        "gpu": 50 + index,
        "memory": 20 + index,
        "memoryAllocatedBytes": (1 + index) * GIB,
        "memoryAllocated": 100 * (1 + index) / 16,
        "temp": 40 + index,
        "powerWatts": 100.5 + index,
        "enforcedPowerLimitWatts": 400,
        "powerPercent": pytest.approx((100.5 + index) / 4),
        "smClock": 1300 + index,
        "memoryClock": 1500 + index,
        "graphicsClock": 1200 + index,
        "fanSpeed": 30 + index,
        "encoderUtilization": 5 + index,
        "correctedMemoryErrors": 7 + index,
        "uncorrectedMemoryErrors": index,
        "energyJoules": pytest.approx(123.456 + index / 1000),
        "pcieLinkGen": 4,
        "pcieLinkWidth": 16,
        "throttleReasons": 4 << index,
    }
    return {f"gpu.{ordinal}.{metric}": value for metric, value in values.items()}


def processes(sample):
    return {k: v for k, v in sample.items() if k.startswith("gpu.process.")}


READ = "gpus = Gpus(); sample = gpus.read([]); answer([sample, gpus.unavailable])"


@needs_cc
def test_read_names_all_that_two_gpus_say(machine):
    code = """
gpus = Gpus()
sample = gpus.read([os.getpid()])
assert all(type(value) is float for value in sample.values()), sample
answer([sample, gpus.unavailable])
"""
    sample, unavailable = machine.run(code, "devices 2")
    assert sample == of_gpu(0, 0) | of_gpu(1, 1)
    assert unavailable == {}


@needs_cc
def test_facts_describe_each_gpu_and_the_driver(machine):
    facts = machine.run("answer(Gpus().facts())", "devices 2")
    common = {"memoryTotal": 16 * GIB, "cudaCores": 6912}
    uuid = "GPU-fa4e{}000-0000-4000-8000-000000000000".format
    first = {"name": "Fake GPU 0", "architecture": "Ampere", "uuid": uuid(0), **common}
    second = {"name": "Fake GPU 1", "architecture": "Hopper", "uuid": uuid(1), **common}
    assert facts == {
        "gpu": "Fake GPU 0",
        "gpu_count": 2,
        "gpu_nvidia": [first, second],
        "cudaVersion": "12.4",
        "driverVersion": "550.54.15",
    }


@needs_cc
def test_facts_leave_out_what_is_not_known(machine):
    facts = machine.run(
        "answer(Gpus().facts())",
        "devices 1",
        "error nvmlDeviceGetNumGpuCores 3",
        "error nvmlDeviceGetArchitecture 999",
        "error nvmlDeviceGetName 999",
        "error nvmlDeviceGetMemoryInfo_v2 999",
        "error nvmlSystemGetCudaDriverVersion_v2 13",
    )
    uuid = "GPU-fa4e0000-0000-4000-8000-000000000000"
    assert facts == {
        "gpu_count": 1,
        "gpu_nvidia": [{"uuid": uuid}],
        "driverVersion": "550.54.15",
    }


UUIDS = ["GPU-aa10", "GPU-aa20", "GPU-bb30", ""]


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        (None, [0, 1, 2, 3]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("2,0", [2, 0]),
        (" 1 , 3", [1, 3]),
        ("+1,2nd", [1, 2]),
        ("0,2,-1,1", [0, 2]),
        ("1,4,0", [1]),
        ("1,,0", [1]),
        ("0,1,0", []),
        ("GPU-aa20,GPU-b", [1, 2]),
        ("GPU-bb30,GPU-aa,GPU-aa10", [2]),
        ("GPU-cc", []),
        ("GPU-aa10,GPU-aa1", []),
        ("GPU-aa10,1", [0]),
        ("1,GPU-aa10", [1]),
        ("MIG-x,MIG-y,0", ["MIG-x", "MIG-y"]),
    ],
)
def test_visible_reads_the_list_as_cuda_does(listed, found):
    assert visible(listed, UUIDS) == found


@needs_cc
@pytest.mark.parametrize(
    ("listed", "indices"),
    [("2,0", [2, 0]), ("1,7,0", [1]), ("GPU-fa4e2,GPU-fa4e1000-0000", [2, 1])],
)
def test_gpus_are_numbered_as_cuda_numbers_them(machine, listed, indices):
    sample, _ = machine.run(READ, "devices 3", CUDA_VISIBLE_DEVICES=listed)
    expected: dict[str, object] = {}
    for ordinal, index in enumerate(indices):
        expected |= of_gpu(ordinal, index)
    assert sample == expected


@needs_cc
def test_gpus_are_unavailable_when_none_is_visible(machine):
    code = """
answer([reason({"CUDA_VISIBLE_DEVICES": listed}) for listed in ("", "-1", "GPU-fa4e", "MIG-9-9")])
"""
    assert machine.run(code, "devices 2") == [
        f"NVML: no GPU in CUDA_VISIBLE_DEVICES={listed!r}"
        for listed in ("", "-1", "GPU-fa4e", "MIG-9-9")
    ]
    assert machine.calls["nvmlInitWithFlags -1"] == machine.calls["nvmlShutdown -1"] == 4


@needs_cc
def test_what_is_not_supported_is_noted_once_and_not_asked_again(machine):
    code = """
gpus = Gpus()
samples = [gpus.read([]), gpus.read([])]
noted = dict(gpus.unavailable)
say("devices 2")
answer([*samples, gpus.read([]), noted, gpus.unavailable])
"""
    *samples, noted, noted_later = machine.run(
        code,
        "devices 2",
        "error nvmlDeviceGetFanSpeed 3 1",
        "error nvmlDeviceGetUtilizationRates 13 1",
        "error nvmlDeviceGetPowerUsage 3 1",
    )
    reasons = {
        "gpu.1.fanSpeed": "not supported",
        "gpu.1.gpu": "function not found",
        "gpu.1.memory": "function not found",
        "gpu.1.powerWatts": "not supported",
        "gpu.1.powerPercent": "not supported",
    }
    assert noted == noted_later == reasons
    complete = of_gpu(0, 0) | of_gpu(1, 1)
    left = {metric: value for metric, value in complete.items() if metric not in reasons}
    assert samples == [left, left, left]
    for function in ("FanSpeed", "UtilizationRates", "PowerUsage"):
        assert machine.calls[f"nvmlDeviceGet{function} 0"] == 3
        assert machine.calls[f"nvmlDeviceGet{function} 1"] == 1


@needs_cc
def test_another_error_leaves_one_value_out_of_one_sample(machine):
    code = """
gpus = Gpus()
first = gpus.read([])
say("devices 1")
answer([first, gpus.read([]), gpus.unavailable])
"""
    lines = ["error nvmlDeviceGetTemperature 999", "error nvmlDeviceGetEnforcedPowerLimit 4"]
    first, second, unavailable = machine.run(code, "devices 1", *lines)
    complete = of_gpu(0, 0)
    assert set(complete) - set(first) == {
        "gpu.0.temp",
        "gpu.0.enforcedPowerLimitWatts",
        "gpu.0.powerPercent",
    }
    assert second == complete
    assert unavailable == {}


@needs_cc
def test_a_gpu_lost_in_the_middle_is_noted_and_the_other_goes_on(machine):
    code = """
gpus = Gpus()
before = gpus.read([])
say("devices 2", "error nvmlDeviceGetClockInfo 15 0", "error nvmlDeviceGetPowerUsage 3 0")
during = gpus.read([])
say("devices 2")
answer([before, during, gpus.read([]), gpus.facts()["gpu_count"], gpus.unavailable])
"""
    before, during, after, count, unavailable = machine.run(code, "devices 2")
    first, second = of_gpu(0, 0), of_gpu(1, 1)
    assert before == first | second
    read = ("gpu.0.gpu", "gpu.0.memory", "gpu.0.temp", "gpu.0.enforcedPowerLimitWatts")
    assert during == {metric: first[metric] for metric in read} | second
    assert after == second
    assert count == 1
    power = dict.fromkeys(("gpu.0.powerWatts", "gpu.0.powerPercent"), "not supported")
    assert unavailable == {"gpu.0": "GPU is lost", **power}
    assert machine.calls["nvmlDeviceGetTemperature 0"] == 2
    assert machine.calls["nvmlDeviceGetTemperature 1"] == 3


@needs_cc
def test_a_gpu_lost_at_the_start_leaves_the_numbers_of_the_others(machine):
    sample, unavailable = machine.run(READ, "devices 2", "error * 15 0")
    assert sample == of_gpu(1, 1)
    assert unavailable == {"gpu.0": "GPU is lost"}
    code = "answer(reason())"
    assert machine.run(code, "devices 1", "error * 15 0") == "NVML: gpu.0: GPU is lost"


@needs_cc
def test_gpus_are_unavailable_without_a_driver_that_works(machine):
    code = "answer(reason())"
    for line, words in [
        ("error nvmlInitWithFlags 9", "driver not loaded"),
        ("error nvmlInitWithFlags 15", "GPU is lost"),
        ("error nvmlDeviceGetCount_v2 999", "unknown error"),
        ("devices 0", "no GPU"),
    ]:
        assert machine.run(code, line) == f"NVML: {words}"


def test_gpus_are_unavailable_without_a_library_that_loads(tmp_path):
    (tmp_path / LIBRARY).touch()
    assert Machine(tmp_path, tmp_path).run("answer(reason())") == "NVML: shared library not found"


def test_gpus_are_unavailable_without_bindings(tmp_path):
    code = "import sys; sys.modules['pynvml'] = None; answer(reason())"
    expected = "NVML: the package nvidia-ml-py is not installed"
    assert Machine(tmp_path, tmp_path).run(code) == expected


@needs_cc
def test_an_old_driver_is_asked_the_old_way(old_machine):
    code = "gpus = Gpus(); answer([gpus.read([42]), gpus.read([42]), gpus.unavailable])"
    lines = ["devices 1", f"process Compute 0 -1 42 {4 * GIB}"]
    first, second, unavailable = old_machine.run(code, *lines)
    used = GIB + RESERVED
    memory = {"gpu.0.memoryAllocatedBytes": used, "gpu.0.memoryAllocated": used / GIB / 16 * 100}
    assert {k: v for k, v in first.items() if k not in processes(first)} == of_gpu(0, 0) | memory
    assert first["gpu.process.0.memoryAllocatedBytes"] == 4 * GIB
    assert first == second
    assert unavailable == {}


@needs_cc
def test_old_bindings_leave_out_what_they_do_not_know(machine):
    code = """
import pynvml
del pynvml.nvmlDeviceGetFanSpeed, pynvml.nvmlDeviceGetCurrentClocksEventReasons
del pynvml.nvmlDeviceGetMPSComputeRunningProcesses_v3, pynvml.NVML_CLOCK_SM
gpus = Gpus()
answer([gpus.read([1]), gpus.unavailable])
"""
    sample, unavailable = machine.run(code, "devices 1")
    assert (
        set(of_gpu(0, 0)) - set(sample) == set(unavailable) == {"gpu.0.fanSpeed", "gpu.0.smClock"}
    )
    assert sample["gpu.0.throttleReasons"] == 4
    assert unavailable["gpu.0.fanSpeed"] == "the package nvidia-ml-py is too old"


@needs_cc
def test_processes_are_read_where_one_of_ours_uses_the_gpu(machine):
    sample, unavailable = machine.run(
        "gpus = Gpus(); answer([gpus.read({41, 42, 43}), gpus.unavailable])",
        "devices 3",
        f"process Compute 1 -1 42 {2 * GIB}",
        f"process Graphics 1 -1 42 {2 * GIB}",
        f"process Graphics 1 -1 43 {GIB}",
        f"process MPSCompute 1 -1 41 {GIB}",
        f"process Compute 1 -1 900 {GIB}",
        f"process Compute 2 -1 901 {GIB}",
    )
    gpu = of_gpu(0, 1)
    names = ("gpu", "memory", "temp", "powerWatts", "enforcedPowerLimitWatts", "powerPercent")
    assert processes(sample) == {
        **{f"gpu.process.1.{name}": gpu[f"gpu.0.{name}"] for name in names},
        "gpu.process.1.memoryAllocatedBytes": 4 * GIB,
        "gpu.process.1.memoryAllocated": 25,
    }
    assert unavailable == {}


@needs_cc
def test_memory_of_processes_that_is_not_told_is_left_out(machine):
    lines = ["devices 1", "process Compute 0 -1 42 -1", f"process Compute 0 -1 43 {GIB}"]
    sample = machine.run("answer(Gpus().read([42, 43]))", *lines)
    assert sample["gpu.process.0.gpu"] == 50
    assert not [metric for metric in processes(sample) if "memoryAllocated" in metric]


@needs_cc
def test_processes_are_left_out_when_a_list_is_not_whole(machine):
    code = """
gpus = Gpus()
first = gpus.read([42])
file = pathlib.Path(os.environ["FAKE_NVML"])
say(file.read_text().replace("999 0", "3 0"))
answer([first, gpus.read([42]), gpus.unavailable])
"""
    first, second, unavailable = machine.run(
        code,
        "devices 2",
        "error nvmlDeviceGetGraphicsRunningProcesses_v3 999 0",
        "error nvmlDeviceGetGraphicsRunningProcesses_v2 999 0",
        "error nvmlDeviceGetComputeRunningProcesses_v3 3 1",
        "error nvmlDeviceGetComputeRunningProcesses_v2 3 1",
        f"process Compute 0 -1 42 {GIB}",
        f"process Compute 1 -1 42 {GIB}",
    )
    assert processes(first) == {}
    assert second["gpu.process.0.memoryAllocatedBytes"] == GIB
    assert not [metric for metric in second if metric.startswith("gpu.process.1")]
    assert unavailable == {"gpu.process.1": "not supported"}
    assert machine.calls["nvmlDeviceGetComputeRunningProcesses_v3 1"] == 1


MIG = [
    "devices 2",
    "mig 1 2",
    "error nvmlDeviceGetUtilizationRates 3 1",
    "error nvmlDeviceGetMigMode 3 0",
    f"process Compute 1 1 42 {GIB}",
]


def instance(ordinal, number):
    name = f"gpu.{ordinal}.mig.{number}"
    used = (1 + number) * GIB
    return {f"{name}.memoryAllocatedBytes": used, f"{name}.memoryAllocated": 25 * used / GIB}


@needs_cc
def test_instances_of_a_divided_gpu_are_read(machine):
    sample, unavailable = machine.run(
        "gpus = Gpus(); gpus.read([]); answer([gpus.read([42]), gpus.unavailable])", *MIG
    )
    of_process = processes(sample)
    gpus = {k: v for k, v in sample.items() if k not in of_process}
    expected = of_gpu(0, 0) | of_gpu(1, 1) | instance(1, 0) | instance(1, 1)
    del expected["gpu.1.gpu"], expected["gpu.1.memory"]
    assert gpus == expected
    assert of_process["gpu.process.1.memoryAllocatedBytes"] == GIB
    assert of_process["gpu.process.1.memoryAllocated"] == 12.5
    assert "gpu.process.1.gpu" not in of_process
    assert unavailable == dict.fromkeys(("gpu.1.gpu", "gpu.1.memory"), "not supported")
    assert machine.calls["nvmlDeviceGetMigMode 0"] == 1


@needs_cc
def test_a_visible_instance_is_numbered_and_is_all_that_is_seen(machine):
    code = "gpus = Gpus(); answer([gpus.read([42]), gpus.facts(), gpus.unavailable])"
    sample, facts, unavailable = machine.run(
        code, *MIG, CUDA_VISIBLE_DEVICES="MIG-1-1,MIG-1-5,MIG-1-0"
    )
    gpus = {k: v for k, v in sample.items() if k not in processes(sample)}
    expected = of_gpu(0, 1) | instance(0, 1)
    del expected["gpu.0.gpu"], expected["gpu.0.memory"]
    assert gpus == expected
    assert sample["gpu.process.0.memoryAllocated"] == 25
    assert unavailable == dict.fromkeys(("gpu.0.gpu", "gpu.0.memory"), "not supported")
    assert facts["gpu_count"] == 1
    assert facts["gpu_nvidia"][0]["uuid"] == "MIG-1-1"
    assert facts["gpu_nvidia"][0]["memoryTotal"] == 4 * GIB


@needs_cc
def test_a_call_that_hangs_lets_the_program_go_on(machine):
    code = """
import threading
gpus = Gpus()
say("devices 1", "hang nvmlDeviceGetTemperature")
samples = []
reading = threading.Thread(target=lambda: samples.append(gpus.read([])), daemon=True)
reading.start()
calls = pathlib.Path(os.environ["FAKE_NVML_CALLS"])
while "nvmlDeviceGetTemperature 0" not in calls.read_text():
    pass
hung = reading.is_alive() and not samples
say("devices 1")
reading.join()
answer([hung, samples])
"""
    hung, samples = machine.run(code, "devices 1")
    assert hung
    assert samples == [of_gpu(0, 0)]


@needs_cc
def test_close_lets_go_of_the_driver_once(machine):
    code = "gpus = Gpus(); gpus.close(); gpus.close(); answer([gpus.read([1]), gpus.facts()])"
    sample, facts = machine.run(code, "devices 1")
    assert sample == {}
    assert facts["gpu_count"] == 0
    assert machine.calls["nvmlShutdown -1"] == 1


@needs_cc
def test_import_does_not_load_the_bindings(machine):
    assert machine.run("import sys; answer('pynvml' in sys.modules)") is False


@pytest.mark.gpu
def test_a_real_gpu_answers(tmp_path):
    machine = Machine(tmp_path, os.environ.get("LD_LIBRARY_PATH", ""))
    why = machine.run("answer(reason())")
    if why is not None:
        pytest.skip(why)
    code = "gpus = Gpus(); answer([gpus.facts(), gpus.read([]), gpus.unavailable])"
    facts, sample, unavailable = machine.run(code)
    assert facts["gpu"]
    assert facts["driverVersion"]
    assert facts["gpu_count"] == len(facts["gpu_nvidia"])
    total = facts["gpu_nvidia"][0]["memoryTotal"]
    assert 0 <= sample["gpu.0.memoryAllocatedBytes"] <= total
    for metric in of_gpu(0, 0):
        assert (metric in sample) != (metric in unavailable), (metric, sample, unavailable)
    assert all(
        0 <= sample.get(f"gpu.0.{share}", 0) <= 100
        for share in ("gpu", "memory", "memoryAllocated")
    )
