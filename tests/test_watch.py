from __future__ import annotations

import copy
import io
import json
import math
import pathlib
import pickle
import subprocess
import sys
import threading
import types
import warnings
from typing import Any

import numpy as np
import pytest

import steplog
from steplog import _core, _watch
from steplog._writer import RunLog

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Debian's warns of a NumPy that it was not built for
    torch = pytest.importorskip("torch")
    torch.zeros(1)


@pytest.fixture(autouse=True)
def _first_model(monkeypatch):
    """The keys of a process's first model have no number."""
    monkeypatch.setattr(_watch, "_next_index", 0)


def net():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))


def train(model, run=None, *, steps=1):
    for _ in range(steps):
        model.zero_grad()
        model(torch.arange(8.0).reshape(2, 4)).sum().backward()
        if run is not None:
            run.log({"loss": 1.0})


def rows(run):
    return list(RunLog(run.sync_dir).rows())


def test_gradients_are_in_the_row_of_their_step(start):
    model = net()
    with start() as run:
        assert run.watch(model, log_freq=2) is None
        train(model, run, steps=4)
        gradient = np.array(model[0].weight.grad.reshape(-1).tolist())
    found = rows(run)
    keys = {f"gradients/{layer}.{name}" for layer in (0, 2) for name in ("weight", "bias")}
    assert [keys <= row.keys() for row in found] == [False, True, False, True]
    assert [any(key in row for key in keys) for row in found] == [False, True, False, True]
    stored = found[3]["gradients/0.weight"]
    assert stored["_type"] == "histogram"
    counts, edges = np.histogram(gradient, bins=stored["bins"])
    assert stored["values"] == counts.tolist()
    assert (edges[0], edges[-1]) == (gradient.min(), gradient.max())
    assert len(stored["values"]) == 64


def test_parameters_are_counted_behind_a_forward_pass(start):
    model = net()
    with start() as run:
        run.watch(model, log="parameters")
        run.watch(model, log="parameters", log_freq=1, idx=3)
        train(model, run)
    (row,) = rows(run)
    assert "parameters/0.weight" not in row
    assert sum(row["parameters/graph_30.weight"]["values"]) == 32
    assert not any(key.startswith("gradients") for key in row)


def test_models_are_numbered_as_they_come(start):
    with start() as run:
        models = [net(), net()]
        run.watch(models, log="all", log_freq=1)
        for model in models:
            train(model)
        run.log({})
    (row,) = rows(run)
    assert {"gradients/0.bias", "parameters/0.bias", "gradients/graph_10.bias"} <= row.keys()


def test_a_module_function_watches_with_the_current_run(start):
    with start() as run:
        model = net()
        steplog.watch(model, None, "gradients", 1)
        train(model, run)
        steplog.unwatch(model)
        train(model, run)
    first, second = rows(run)
    assert "gradients/0.weight" in first
    assert "gradients/0.weight" not in second


def hooks_of(model):
    found = [dict(module._forward_hooks) for module in model.modules()]
    return found, [dict(one._backward_hooks or {}) for one in model.parameters()]


@pytest.mark.parametrize("how", ["unwatch", "all", "finish"])
def test_a_model_is_as_before_when_it_is_not_watched_any_more(start, how):
    model = net()
    before, attributes = hooks_of(model), set(vars(model))
    run = start()
    run.watch(model, log="all", log_freq=1)
    assert hooks_of(model) != before
    if how == "unwatch":
        run.unwatch(model)
    elif how == "all":
        run.unwatch()
    run.finish()
    assert hooks_of(model) == before
    assert set(vars(model)) == attributes
    train(model)


async def test_afinish_ends_it_too(start):
    model = net()
    before = hooks_of(model)
    async with start() as run:
        run.watch(model, log="all")
    assert hooks_of(model) == before


def test_copies_and_files_of_a_watched_model_are_not_watched(start):
    model = net()
    with start() as run, warnings.catch_warnings():
        warnings.simplefilter("error")
        run.watch(model, log="all", log_freq=1)
        twin = copy.deepcopy(model)
        train(twin)
        pickled = pickle.loads(pickle.dumps(model))  # noqa: S301
        train(pickled)
        file = io.BytesIO()
        torch.save(model, file)
        run.log({})
    assert [row.keys() & {"gradients/0.bias", "parameters/0.bias"} for row in rows(run)] == [set()]


def test_frozen_parameters_and_missing_gradients_are_left_out(start):
    model = net()
    model[0].weight.requires_grad_(requires_grad=False)
    model.extra = torch.nn.Parameter(torch.ones(3))  # nothing depends on it
    with start() as run:
        run.watch(model, log_freq=1)
        train(model, run)
    (row,) = rows(run)
    assert {key for key in row if key.startswith("grad")} == {
        *("gradients/0.bias", "gradients/2.weight", "gradients/2.bias")
    }


def test_what_is_not_finite_is_counted_apart(start):
    layer = torch.nn.Linear(3, 1, bias=False)
    with start() as run:
        run.watch(layer, log_freq=1)
        layer(torch.tensor([1.0, math.nan, math.inf])).sum().backward()
        run.log({"step": 0})
        layer.zero_grad()
        layer(torch.full((3,), math.nan)).sum().backward()
        run.log({"step": 1})
    first, second = rows(run)
    assert first["gradients/weight"] == {
        "_type": "histogram",
        "values": [1],
        "bins": [1.0, 1.0],
        "nan": 1,
        "inf": 1,
    }
    assert "gradients/weight" not in second


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_types_of_floats(start, dtype):
    given = torch.linspace(-2, 2, 1000).to(dtype)
    part = torch.nn.Parameter(torch.zeros(1000, dtype=dtype))
    holder = torch.nn.ParameterList([part])
    with start() as run:
        run.watch(holder, log_freq=1)
        (part * given).sum().backward()
        run.log({})
    (row,) = rows(run)
    stored = row["gradients/0"]
    expected = np.histogram(given.double().tolist(), 64)[0]
    assert sum(stored["values"]) == 1000
    assert np.abs(np.array(stored["values"]) - expected).max() <= 1
    assert (stored["bins"][0], stored["bins"][-1]) == (-2.0, 2.0)


def test_a_sparse_gradient_has_zeros_where_it_has_nothing(start):
    embedding = torch.nn.Embedding(10, 2, sparse=True)
    with start() as run:
        run.watch(embedding, log_freq=1)
        embedding(torch.tensor([1, 1, 4])).sum().backward()
        run.log({})
    (row,) = rows(run)
    stored = row["gradients/weight"]
    assert sum(stored["values"]) == 20
    assert stored["values"][0] == 16  # zeros
    assert (stored["bins"][0], stored["bins"][-1]) == (0.0, 2.0)


@pytest.mark.parametrize(
    "numbers",
    [
        *([1.0, 2.0, 3.0], [0.5], [2.0, 2.0], [-3e38, 3e38, 0.0]),
        *(
            [math.nan, 1.0, math.inf, -math.inf, -1.0],
            list(np.random.default_rng(1).normal(size=999)),
        ),
    ],
)
@pytest.mark.parametrize("zeros", [0, 7])
def test_a_device_counts_as_the_cpu_does(numbers, zeros):
    tensor = torch.tensor(numbers)
    later: Any = _watch._counted_there(tensor, zeros).taken()
    there: Any = later.value()
    here: Any = _watch._counted_here(tensor, zeros)
    assert sum(there["values"]) == sum(here["values"])
    assert there["bins"] == pytest.approx(here["bins"])
    assert np.abs(np.array(there["values"]) - here["values"]).max() <= 1
    odd = {"nan", "inf", "neg_inf"}
    assert {k: there.get(k) for k in odd} == {k: here.get(k) for k in odd}


def test_a_large_gradient_is_counted_exactly(start):
    generator = torch.Generator().manual_seed(3)
    given = torch.randn(400, 500, generator=generator) * 1e-3
    holder = torch.nn.ParameterList([torch.nn.Parameter(torch.zeros(400, 500))])
    with start() as run:
        run.watch(holder, log_freq=1)
        (holder[0] * given).sum().backward()
        run.log({})
    (row,) = rows(run)
    stored = row["gradients/0"]
    numbers = np.array(given.tolist()).ravel()
    assert stored["values"] == np.histogram(numbers, stored["bins"])[0].tolist()
    assert (stored["bins"][0], stored["bins"][-1]) == (numbers.min(), numbers.max())
    wished = np.linspace(numbers.min(), numbers.max(), 65)
    assert np.abs(np.array(stored["bins"]) - wished).max() < (wished[1] - wished[0]) / 2


def test_the_graph_of_a_model_is_in_the_summary(start, media_of):
    model = torch.nn.Module()
    model.body = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU())
    model.head = torch.nn.Linear(8, 1)
    model.forward = lambda x: model.head(model.body(x))
    before = hooks_of(model)
    with start() as run:
        run.watch(model, log=None, log_graph=True)
        with pytest.raises(ValueError, match="is recorded once"):
            run.watch(model, log=None, log_graph=True)
        copy.deepcopy(model.body)(torch.zeros(2, 4))
        model(torch.zeros(2, 4))
        assert hooks_of(model) == before
        model(torch.zeros(3, 4))
    (stored,) = [value for key, value in run.summary.items() if key == "graph_0"]
    assert stored["_type"] == "graph-file"
    graph = json.loads(media_of(run.sync_dir)[stored["path"]])
    assert graph["format"] == "torch"
    assert [node["name"] for node in graph["nodes"]] == ["body.0", "body.1", "head"]
    first = graph["nodes"][0]
    assert first["class_name"] == "Linear(in_features=4, out_features=8, bias=True)"
    assert first["parameters"] == [["weight", [8, 4]], ["bias", [8]]]
    assert (first["output_shape"], first["num_parameters"]) == ([[2, 8]], [32, 8])


def test_nothing_of_it_raises_into_the_backward_pass(start, capfd):
    layer = torch.nn.Linear(2, 1)
    run = start(settings={"quiet": True})
    run.watch(layer, log_freq=1)

    class Odd:
        def detach(self):
            raise RuntimeError("it is gone")

    run._watch.record([("gradients/odd", Odd())])
    run._watch.record([("gradients/odd", Odd())])
    run.finish()
    said = capfd.readouterr().err
    assert said.count("'gradients/odd' is not recorded: RuntimeError: it is gone") == 1


def test_a_backward_pass_in_another_thread(start):
    model = net()
    with start() as run:
        run.watch(model, log_freq=1)
        thread = threading.Thread(target=train, args=(model,))
        thread.start()
        thread.join()
        run.log({})
    (row,) = rows(run)
    assert "gradients/2.weight" in row


def test_wrong_arguments_are_told(start, capfd):
    with start() as run:
        for models in (1, [net(), "x"], None):
            with pytest.raises(TypeError, match=r"takes a torch\.nn\.Module, or a list of such"):
                run.watch(models)
        with pytest.raises(ValueError, match='log is "gradients"'):
            run.watch(net(), log="grads")
        with pytest.raises(ValueError, match="log_freq is at least 1"):
            run.watch(net(), log_freq=0)
        with pytest.raises(TypeError, match="log_freq is an integer"):
            run.watch(net(), log_freq=1.5)
        run.unwatch(net())
        run.watch(net(), log=None)
    assert "unwatch() of a model that the run does not watch" in capfd.readouterr().err
    with pytest.raises(steplog.RunClosedError):
        run.watch(net())


def test_a_disabled_run_watches_nothing_for_long():
    model = net()
    with steplog.init(mode="disabled") as run:
        run.watch(model, log="all", log_freq=1)
        train(model, run)


def test_the_histogram_of_a_buffer_refuses_what_it_cannot_count():
    with pytest.raises(TypeError, match="float32 or float64"):
        _core.histogram(b"abc", 4)
    with pytest.raises(ValueError, match="1 to 512 bins"):
        _core.histogram(np.zeros(3), 0)
    assert _core.histogram(np.zeros(0, np.float32), 4) == ([], [], 0, 0, 0)


DDP = """
import sys, warnings
warnings.simplefilter("ignore")
sys.path.append(sys.argv[3])
import torch, torch.distributed as distributed
import steplog

rank, store = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
torch.manual_seed(1)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 2, bias=False))
settings = {"quiet": True, "console": "off"}
with steplog.init(mode="offline", project="p", id=f"rank{rank}", settings=settings) as run:
    run.watch(model, log="all", log_freq=1)
    model(torch.full((1, 4), float(rank + 1))).sum().backward()
    run.log({"averaged": model.module.weight.grad.flatten().tolist()})
    run.unwatch()
distributed.destroy_process_group()
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without torch.distributed")
def test_each_rank_records_its_own_gradients(tmp_path):
    """What DDP averages over the ranks is left as it is; a histogram is of the rank's own part."""
    command = [sys.executable, "-c", DDP]
    packages = str(pathlib.Path(torch.__file__).parents[1])
    ranks = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "store"), packages], cwd=tmp_path)
        for rank in range(2)
    ]
    assert [rank.wait(60) for rank in ranks] == [0, 0]
    for rank in range(2):
        (folder,) = (tmp_path / "steplog-runs").glob(f"*rank{rank}")
        row: dict[str, Any] = next(iter(RunLog(folder).rows()))
        assert row["averaged"] == [1.5] * 8
        gradient = row["gradients/module.weight"]
        assert (gradient["bins"], gradient["values"]) == ([rank + 1.0] * 2, [8])
        assert sum(row["parameters/module.weight"]["values"]) == 8


def test_mixed_precision_trains_as_without(start):
    def trained(run=None):
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        if run is not None:
            run.watch(model, log="all", log_freq=1)
        for step in range(3):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = model(torch.arange(8.0).reshape(2, 4) / 8).square().sum()
            (loss * 1024).backward()  # as a gradient scaler does
            for parameter in model.parameters():
                parameter.grad /= 1024
            optimizer.step()
            if run is not None:
                run.log({"step": step})
        return [parameter.detach().tolist() for parameter in model.parameters()]

    with start() as run:
        assert trained(run) == trained()
    found: list[Any] = rows(run)
    assert len(found) == 3
    for row in found:
        assert sum(row["gradients/0.weight"]["values"]) == 32
        assert sum(row["parameters/0.weight"]["values"]) == 32


@pytest.fixture
def compiled(monkeypatch):
    """Makes a model whose forward pass is compiled code; without torch.compile, a stand-in."""
    if hasattr(torch, "compile"):
        return lambda model: torch.compile(model, fullgraph=True)
    state = types.SimpleNamespace(is_compiling=False)
    compiler = types.SimpleNamespace(is_compiling=lambda: state.is_compiling)
    monkeypatch.setattr(torch, "compiler", compiler, raising=False)

    def compile_it(model):
        def forward(*arguments):
            state.is_compiling = True  # while a hook is traced, and never again
            try:
                return model(*arguments)
            finally:
                state.is_compiling = False

        return forward

    return compile_it


def test_a_compiled_model_is_watched_in_its_backward_passes(start, compiled, media_of):
    model = net()
    with start() as run:
        run.watch(model, log="all", log_freq=2, log_graph=True)
        fast = compiled(model)
        for step in range(4):
            fast(torch.arange(8.0).reshape(2, 4)).sum().backward()
            run.log({"step": step})
    graph = json.loads(media_of(run.sync_dir)[run.summary["graph_0"]["path"]])
    assert [node["name"] for node in graph["nodes"]] == ["0", "1", "2"]
    assert [node["output_shape"] for node in graph["nodes"]] == [[]] * 3
    found: list[Any] = rows(run)
    keys = {
        f"{what}/{layer}.{name}"
        for what in ("gradients", "parameters")
        for layer in (0, 2)
        for name in ("weight", "bias")
    }
    assert [keys <= row.keys() for row in found] == [False, True, False, True]
    assert sum(found[3]["parameters/0.weight"]["values"]) == 32
