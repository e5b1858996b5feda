"""Values of devices, and large ones: taken over in `log`, in the log when they are read."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
import time
import weakref

import anyio
import anyio.lowlevel
import anyio.to_thread
import numpy as np
import pytest

import steplog
from steplog import _later, _later_pool
from steplog._core import RunLog


class OnDevice:
    """A tensor of another library: it lies on a device, and reading it waits for that."""

    nbytes = 4
    shape = ()

    def __init__(self, value, done=None, device="accelerator:0"):
        self.value, self.done, self.device = value, done, device
        self.read_by = None

    def item(self):
        self.read_by = threading.current_thread()
        if self.done is not None:
            assert self.done.wait(30)
        return self.value

    tolist = item


def rows(run):
    return [
        {key: value for key, value in row.items() if not key.startswith("_")}
        for row in RunLog(run.sync_dir).rows()
    ]


def test_log_never_waits_for_a_device(start):
    done = threading.Event()
    tensor = OnDevice(0.5, done)
    with start() as run:
        run.log({"loss": tensor, "lr": 1.0})
        run.log({"loss": 0.25})
        assert (run.status()["deferred"], run.summary["lr"]) == (1, 1.0)
        done.set()
        run.flush()
        assert (run.status()["deferred"], run.summary["loss"]) == (0, 0.25)
        assert tensor.read_by is not threading.main_thread()
    assert rows(run) == [{"lr": 1.0, "loss": 0.5}, {"loss": 0.25}]


def test_values_stay_under_their_step_in_their_place(start):
    with start() as run:
        for number in range(50):
            late = OnDevice(float(number))
            run.log({"a": {"b": late, "c": [late, number]}, "n": number}, step=number * 3)
    assert rows(run) == [
        {"n": number, "a": {"b": float(number), "c": [float(number), number]}}
        for number in range(50)
    ]


def test_rows_whose_values_come_later_are_given_their_step_metric_too(start):
    with start() as run:
        run.define_metric("train/*", step_metric="epoch")
        run.define_metric("deep.*", step_metric="when")
        run.log({"epoch": 1})
        run.log({"train/loss": OnDevice(0.5)})
        run.log({"epoch": 2, "train/loss": OnDevice(0.25)})
        run.log({"train/loss": OnDevice(0.125), "epoch": OnDevice(7)})
        run.log({"deep": {"a.b": OnDevice(1.0)}, "when": 3}, commit=False)
        run.log({"train/loss": OnDevice(1.0)})
        run.log({"deep": {"er": OnDevice(1.0)}})
    assert rows(run) == [
        {"epoch": 1},
        {"train/loss": 0.5, "epoch": 1},
        {"epoch": 2, "train/loss": 0.25},
        {"train/loss": 0.125, "epoch": 7},
        {"deep": {"a.b": 1.0}, "when": 3, "train/loss": 1.0, "epoch": 2},
        {"deep": {"er": 1.0}, "when": 3},
    ]


def test_finish_says_what_it_had_to_give_up(start, capfd):
    done = threading.Event()
    run = start(settings={"finish_timeout_secs": 0.2, "quiet": False})
    run.log({"a": 1, "late": OnDevice(1.0, done)}, step=7)
    before = time.monotonic()
    run.finish()
    assert time.monotonic() - before < 20
    done.set()
    assert rows(run) == [{"a": 1}]
    assert run.status()["lost"] == 1
    said = capfd.readouterr().err
    assert "could not be read before the deadline: 'late' of step 7" in said


def test_values_that_are_logged_while_the_run_is_finished_are_in_the_log(start):
    """Whoever logs on reads them in its own call; there is nothing that nobody waits for."""
    run = start()
    counts = [0] * 3

    def log(number):
        try:
            while True:
                run.log({"who": number, "z": np.zeros(600)})
                counts[number] += 1
        except steplog.RunClosedError:
            pass

    threads = [threading.Thread(target=log, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    while min(counts) < 100:
        time.sleep(0.01)
    run.finish()
    for thread in threads:
        thread.join()
    found = [row for row in rows(run) if "z" in row]
    lost = run.status()["lost"]
    # The call of each thread that was under way may have come too late.
    assert lost <= 3
    assert len(found) >= sum(counts) - lost


def test_a_value_that_cannot_be_read_costs_only_itself(start, capfd):
    class Broken(OnDevice):
        def item(self):
            raise RuntimeError("the device is gone")

    with start() as run:
        run.log({"a": 1, "broken": Broken(0.0), "fine": OnDevice(2.0)})
        run.flush()
        assert run.status()["skipped"] == 1
    assert rows(run) == [{"a": 1, "fine": 2.0}]
    assert "'broken' is not recorded: reading it raised RuntimeError" in capfd.readouterr().err


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_alog_waits_for_its_values_and_the_loop_goes_on(start, backend):
    done = threading.Event()

    async def main():
        run = start()
        ticks = 0
        async with anyio.create_task_group() as group:
            group.start_soon(logged, run)
            await anyio.wait_all_tasks_blocked()
            assert run.status()["deferred"] == 1
            for _ in range(5):
                ticks += 1
                await anyio.sleep(0.001)
            assert "seen" not in run.summary
            done.set()
        assert run.summary["seen"] == 0.5
        await run.afinish()
        return ticks

    async def logged(run):
        await run.alog({"a": OnDevice(0.5, done)})
        run.summary["seen"] = run.summary["a"]

    assert anyio.run(main, backend=backend) == 5


def test_a_cancelled_alog_leaves_its_values_coming(start):
    done = threading.Event()

    async def main():
        run = start()
        with anyio.move_on_after(0.05):
            await run.alog({"a": OnDevice(0.5, done)})
        assert run.status()["deferred"] == 1
        done.set()
        await run.afinish()
        return run

    assert rows(asyncio.run(main())) == [{"a": 0.5}]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "uint8", "bool"])
def test_large_arrays_are_histograms_of_what_was_there(start, dtype):
    array = (np.arange(5000) % 7).astype(dtype)
    expected, edges = np.histogram(array.astype(np.float64), bins=32)
    with start() as run:
        run.log({"w": array})
        array[:] = 0
    (row,) = rows(run)
    assert row["w"]["_type"] == "histogram"
    assert row["w"]["values"] == expected.tolist()
    assert row["w"]["bins"] == edges.tolist()
    assert RunLog(run.sync_dir).summary()["w"] == row["w"]


def test_a_series_of_polars_is_what_one_of_pandas_is(start):
    pl, pd = pytest.importorskip("polars"), pytest.importorskip("pandas")
    some, many, words = [1, 2, 3], np.arange(500) / 7, ["a", "b"]
    with start() as run:
        for make in (pl.Series, pd.Series):
            run.log({"n": make([some[0]]), "some": make(some), "in": {"m": [make(many)]}})
            run.log({"words": make(words), "gap": make([1.5, None])})
    polars, polars_words, pandas, pandas_words = rows(run)
    assert run.status()["skipped"] == 0
    assert polars["some"] == some
    assert polars["n"] == 1
    assert polars["in"]["m"][0]["_type"] == "histogram"
    assert polars_words["words"] == words

    def values(row):
        return str({name: value for name, value in row.items() if name[0] != "_"})

    assert values(polars) == values(pandas)
    assert values(polars_words) == values(pandas_words)


def test_what_is_not_finite_is_counted_beside_the_histogram(start):
    array = np.ones(100)
    array[:6] = [math.nan, math.nan, math.inf, -math.inf, -math.inf, -math.inf]
    with start() as run:
        run.log({"w": array, "nothing": np.full(40, math.nan), "text": np.array(["a"] * 40)})
    (row,) = rows(run)
    assert sum(row["w"]["values"]) == 94
    assert (row["w"]["nan"], row["w"]["inf"], row["w"]["neg_inf"]) == (2, 1, 3)
    assert row["nothing"] == {"_type": "histogram", "values": [], "bins": [], "nan": 40}
    assert "text" not in row
    assert run.status()["skipped"] == 1


def test_beyond_the_memory_bound_values_are_read_at_once(start, monkeypatch):
    monkeypatch.setattr(_later, "MAX_WAITING_BYTES", 100_000)
    done = threading.Event()
    with start() as run:
        run.log({"late": OnDevice(1.0, done)})
        run.log({"w": np.zeros(50_000)})
        assert run.status()["deferred"] == 1
        assert run.summary["w"]["_type"] == "histogram"
        done.set()
    assert len(rows(run)) == 2


def test_small_arrays_and_scalars_are_there_at_once(start):
    with start() as run:
        run.log({"one": np.float32(0.5), "list": np.arange(32), "some": np.arange(400)})
        assert run.status()["deferred"] == 0
        assert run.summary["list"] == list(range(32))
        assert run.summary["some"]["_type"] == "histogram"


def test_torch_tensors_are_taken_as_they_are(start, torch):
    weights = torch.arange(10_000, dtype=torch.float32, requires_grad=True)
    with start() as run:
        run.log({"w": weights, "half": torch.ones(40, dtype=torch.bfloat16)})
        run.log({"loss": (weights * 2).sum(), "pair": torch.tensor([1, 2])})
        with torch.no_grad():
            weights.zero_()
    first, second = rows(run)
    assert sum(first["w"]["values"]) == 10_000
    assert first["w"]["bins"][-1] == 9999.0
    assert sum(first["half"]["values"]) == 40
    assert second == {"loss": 99990000.0, "pair": [1, 2]}


@pytest.mark.parametrize(
    "name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float4_e2m1fn", "int4", "uint4"]
)
def test_numbers_of_few_bits_are_recorded(start, name):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    some = np.arange(6).repeat(1000).astype(getattr(ml_dtypes, name))
    numbers = some.astype(np.float64)
    with start() as run:
        run.log({"some": some[::10], "large": some, "list": some[::1000], "one": some[-1]})
    (row,) = rows(run)
    assert row["some"]["values"] == np.histogram(numbers[::10], bins=32)[0].tolist()
    assert row["large"]["values"] == np.histogram(numbers, bins=32)[0].tolist()
    assert row["list"] == numbers[::1000].tolist()
    assert row["one"] == numbers[-1]


def test_many_durations_are_a_histogram_of_seconds(start):
    with start() as run:
        run.log({"took": np.arange(33).astype("timedelta64[ms]")})
    (row,) = rows(run)
    assert (row["took"]["bins"][0], row["took"]["bins"][-1]) == (0.0, 0.032)


def test_masked_elements_are_no_values(start):
    some = np.ma.masked_array(np.arange(40.0), mask=np.arange(40) >= 5)
    with start() as run:
        run.log(
            {
                "some": some,
                "large": some.repeat(1000),
                "none": np.ma.masked_all(40),
                "list": some[3:7],
                "one": some[:1],
                "missing": some[-1:],
                "constant": np.ma.masked,
            }
        )
    (row,) = rows(run)
    assert [sum(row.pop(key)["values"]) for key in ("some", "large", "none")] == [5, 5000, 0]
    assert row == {"list": [3.0, 4.0, None, None], "one": 0.0, "missing": None, "constant": None}


class Tensor:
    """A tensor as TensorFlow's: it can be read by way of NumPy alone, and nobody writes into it."""

    device = "/job:localhost/replica:0/task:0/device:CPU:0"

    def __init__(self, value):
        self.array = np.array(value)
        self.shape, self.dtype = self.array.shape, self.array.dtype

    def numpy(self):
        return self.array[()]

    def __array__(self, *_, **__):
        return self.array


class Variable(Tensor):
    """A variable as TensorFlow's, of which `value()` gives the tensor."""

    def assign(self, value):
        self.array = np.array(value)

    def value(self):
        return Tensor(self.array)


class KerasVariable(Tensor):
    """A variable as Keras', of which `value` is TensorFlow's."""

    def __init__(self, value):
        super().__init__(value)
        self.value = Variable(value)

    def assign(self, value):
        self.value.assign(value)


def test_tensors_that_only_numpy_reads_are_taken(start):
    with start() as run:
        run.log(
            {
                "loss": Tensor(np.float32(1.5)),
                "one": Tensor([[2]]),
                "list": Tensor([1, 2, 3]),
                "none": Tensor(np.zeros((0, 3))),
                "text": Tensor(np.array(b"hi", dtype=object)),
                "texts": Tensor(np.array([b"a", b"b"], dtype=object)),
                "variable": Variable(2.5),
                "some": Tensor(np.arange(100.0)),
            }
        )
        assert run.status()["deferred"] == 0
    (row,) = rows(run)
    assert row.pop("some")["values"] == np.histogram(np.arange(100), bins=32)[0].tolist()
    assert row == {
        "loss": 1.5,
        "one": 2,
        "list": [1, 2, 3],
        "none": [],
        "text": "hi",
        "texts": ["a", "b"],
        "variable": 2.5,
    }


def test_tensors_with_some_methods_of_numpy_are_taken_too(start, monkeypatch):
    monkeypatch.setattr(Tensor, "tolist", lambda self: self.array.tolist(), raising=False)
    with start() as run:
        run.log({"loss": Tensor(0.5), "list": Tensor([1, 2]), "weights": Tensor(np.ones(10_000))})
    (row,) = rows(run)
    assert sum(row["weights"]["values"]) == 10_000
    assert (row["loss"], row["list"]) == (0.5, [1, 2])


@pytest.mark.parametrize("kind", [Variable, KerasVariable])
@pytest.mark.parametrize("device", ["CPU:0", "GPU:0"])
def test_a_variable_is_recorded_as_it_was(start, monkeypatch, *, kind, device):
    monkeypatch.setattr(Tensor, "device", f"/job:localhost/replica:0/task:0/device:{device}")
    weights, scale = kind(np.ones(10_000)), kind(0.5)
    with start() as run:
        run.log({"weights": weights, "scale": scale})
        weights.assign(np.zeros(10_000))
        scale.assign(0.0)
    (row,) = rows(run)
    assert (row["weights"]["bins"][0], row["weights"]["bins"][-1]) == (0.5, 1.5)
    assert row["scale"] == 0.5


def test_values_that_never_come_hold_up_no_others(start, monkeypatch):
    monkeypatch.setattr(_later_pool, "_STUCK_SECS", 0.05)
    never = threading.Event()
    with start() as stuck:
        for _ in range(4):
            stuck.log({"never": OnDevice(0.0, never)})
        with start(reinit="create_new") as run:
            for number in range(3):
                run.log({"loss": OnDevice(float(number))})
            run.flush()
            assert (run.status()["deferred"], stuck.status()["deferred"]) == (0, 4)
        assert rows(run) == [{"loss": 0.0}, {"loss": 1.0}, {"loss": 2.0}]
        never.set()
    assert rows(stuck) == [{"never": 0.0}] * 4


@pytest.mark.parametrize(
    "value",
    [
        [1e300] * 40,
        [1.7e308, -1.7e308] * 20,
        [1.0, 1.0 + 2**-52] * 20,
        [5e-324, 0.0] * 20,
        [1.7976931348623157e308] * 40,
    ],
)
def test_any_finite_numbers_have_a_histogram(start, value):
    with start() as run:
        run.log({"weights": np.array(value)})
    (row,) = rows(run)
    found = row["weights"]
    assert sum(found["values"]) == 40
    assert len(found["bins"]) == len(found["values"]) + 1
    assert found["bins"][0] <= min(value) <= max(value) <= found["bins"][-1]


class Large:
    """A large array of this process's memory, which is read when `done` is set."""

    shape, nbytes = (1 << 16,), 1 << 19

    def __init__(self):
        self.done, self.copies = threading.Event(), 0

    def copy(self):
        self.copies += 1
        return self

    def tolist(self):
        raise AssertionError

    def __array__(self, *_, **__):
        assert self.done.wait(30)
        return np.arange(1 << 16)


async def test_alog_reads_a_large_array_where_it_lies(start):
    array = Large()
    array.done.set()
    async with start() as run:
        await run.alog({"a": array})
        assert array.copies == 0
        run.log({"a": array})
        assert array.copies == 1
    assert [sum(row["a"]["values"]) for row in rows(run)] == [1 << 16, 1 << 16]


async def test_a_cancelled_alog_returns_when_its_array_has_been_read(start):
    array = Large()
    async with start() as run:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(run.alog, {"a": array})
                await anyio.lowlevel.checkpoint()
                scope.cancel()
                threading.Timer(0.05, array.done.set).start()
        assert array.done.is_set()
    assert [sum(row["a"]["values"]) for row in rows(run)] == [1 << 16]


def test_a_cancellation_of_asyncio_is_heeded_when_the_array_has_been_read(start):
    """As of `asyncio.wait_for`, or of a sibling's error in a TaskGroup: it knows no shield."""
    array = Large()

    async def main():
        async with start() as run:
            task = asyncio.ensure_future(run.alog({"a": array}))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            threading.Timer(0.05, array.done.set).start()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert array.done.is_set()
        return run

    run = asyncio.run(main())
    assert [sum(row["a"]["values"]) for row in rows(run)] == [1 << 16]


async def test_alog_waits_for_its_own_values_alone_and_can_be_cancelled(start):
    never = threading.Event()
    async with start() as run:
        run.log({"never": OnDevice(0.0, never)})
        with anyio.fail_after(20):
            await run.alog({"a": OnDevice(1.0), "b": np.zeros(10_000)})
        with anyio.move_on_after(0.05) as scope:
            await run.alog({"c": OnDevice(2.0, never)})
        assert scope.cancelled_caught
        never.set()
    assert [set(row) for row in rows(run)] == [{"never"}, {"a", "b"}, {"c"}]


async def test_many_calls_wait_without_a_thread_each(start):
    never = threading.Event()
    async with start() as run, anyio.create_task_group() as group:
        for number in range(100):
            group.start_soon(run.alog, {"a": OnDevice(float(number), never)})
        await anyio.lowlevel.checkpoint()
        with anyio.fail_after(20):
            assert await anyio.to_thread.run_sync(lambda: 1) == 1
        never.set()
    assert sorted(row["a"] for row in rows(run)) == [float(number) for number in range(100)]


def test_an_array_is_let_go_of_when_it_has_been_read(start):
    class Array(Large):
        def copy(self):
            copy = Array()
            copy.done.set()
            copies.append(weakref.ref(copy))
            return copy

    copies: list[weakref.ref[Array]] = []
    gc.disable()
    try:
        with start() as run:
            for _ in range(3):
                run.log({"a": Array()})
            run.flush()
        assert [copy() for copy in copies] == [None, None, None]
    finally:
        gc.enable()


def test_flush_says_which_values_it_could_not_wait_for(start):
    never = threading.Event()
    with start() as run:
        run.log({"never": OnDevice(0.0, never)})
        with pytest.raises(steplog.StorageError, match="1 value not ready yet"):
            run.flush(timeout_secs=0.1)
        never.set()
        run.flush(timeout_secs=20)
        assert run.status()["deferred"] == 0


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, ValueError])
def test_a_value_that_raises_anything_when_read_costs_only_itself(start, error):
    class Broken(OnDevice):
        def item(self):
            raise error

    with start() as run:
        for _ in range(5):
            run.log({"a": 1, "broken": Broken(0.0)})
        run.log({"good": OnDevice(2.0), "many": np.ones(5_000)})
        run.flush(timeout_secs=20)
        assert run.status()["skipped"] == 5
    assert [row["a"] for row in rows(run)[:5]] == [1] * 5
    assert rows(run)[5]["good"] == 2.0


async def test_a_run_goes_on_when_its_end_is_cancelled_before_its_values_are_ready(start):
    ready = threading.Event()
    run = start(settings={"finish_timeout_secs": 600.0})
    run.log({"a": OnDevice(1.0, ready)})
    with anyio.move_on_after(0.05) as scope:
        await run.afinish()
    assert scope.cancelled_caught
    run.log({"b": np.ones(100)})
    ready.set()
    await run.afinish()
    assert [set(row) for row in rows(run)] == [{"a"}, {"b"}]
