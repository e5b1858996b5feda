"""Graphs and names of classes in a run's log, and the reference's module of types."""

from __future__ import annotations

import hashlib
import json
import pickle
import types
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import steplog
import steplog as wandb
from steplog._core import RunLog
from steplog.data import Edge, Node
from steplog.data.chart import Chart


@pytest.fixture
def logged(start, media_of):
    """Logs a value; gives what its row says, and the files."""

    def log(value, then=lambda: None):
        with start(settings={"strict": True}) as run:
            run.log({"graph": value})
            then()
        rows: list[Any] = list(RunLog(run.sync_dir).rows())
        return rows[0]["graph"], media_of(run.sync_dir)

    return log


def test_a_graph_is_what_the_reference_makes_of_it(logged):
    graph = steplog.Graph(format="torch")
    first = graph.add_node(
        id=1,
        name="fc1",
        class_name="Linear(4, 3)",
        parameters=[("weight", np.array([3, 4])), ("bias", (3,))],
        output_shape=[(2, 3)],
        num_parameters=[12, 3],
    )
    second = graph.add_node(Node(id="2", is_output=True))
    edge = graph.add_edge(first, second)
    value, files = logged(graph, then=lambda: graph.add_node(id=3))
    (content,) = files.values()
    sha256 = hashlib.sha256(content).hexdigest()
    assert value == {
        "_type": "graph-file",
        "path": f"media/graph/graph_0_{sha256[:20]}.graph.json",
        "sha256": sha256,
        "size": len(content),
    }
    assert json.loads(content) == {
        "format": "torch",
        "nodes": [
            {
                "id": 1,
                "name": "fc1",
                "class_name": "Linear(4, 3)",
                "parameters": [["weight", [3, 4]], ["bias", [3]]],
                "output_shape": [[2, 3]],
                "num_parameters": [12, 3],
            },
            {"id": "2", "name": None, "is_output": True},
        ],
        "edges": [[1, "2"]],
    }
    assert graph["2"] is second
    assert isinstance(edge, Edge)
    assert Node(node=first, name="copy").to_json()["class_name"] == "Linear(4, 3)"


def test_what_is_no_graph_is_refused():
    graph = steplog.Graph()
    node = graph.add_node(id=1)
    for wrong in (lambda: graph.add_node(node, id=2), lambda: graph.add_node(id=1)):
        with pytest.raises(steplog.UsageError):
            wrong()
    with pytest.raises(TypeError, match="two nodes"):
        graph.add_edge(node, 3)  # type: ignore[arg-type]
    assert len(graph.nodes) == 1


def test_a_model_of_keras_is_a_graph():
    def layer(name, *before, **more):
        call = types.SimpleNamespace(inbound_layers=list(before))
        return types.SimpleNamespace(
            name=name, count_params=lambda: 7, _inbound_nodes=[call], **more
        )

    first = layer("in", output_shape=(None, 3))
    second = layer("out", first, output=types.SimpleNamespace(shape=(None, 1)))
    graph = steplog.Graph.from_keras(types.SimpleNamespace(layers=[first, second]))
    assert [node.to_json() for node in graph.nodes] == [
        {
            "id": name,
            "name": name,
            "class_name": "SimpleNamespace",
            "output_shape": shape,
            "num_parameters": 7,
        }
        for name, shape in (("in", (None, 3)), ("out", (None, 1)))
    ]
    assert [edge.to_json() for edge in graph.edges] == [["in", "out"]]
    three = types.SimpleNamespace(parent_nodes=[types.SimpleNamespace(operation=first)])
    second._inbound_nodes = [three]
    graph = steplog.Graph.from_keras(types.SimpleNamespace(layers=[first, second]))
    assert [edge.to_json() for edge in graph.edges] == [["in", "out"]]


def test_layers_of_keras_that_are_not_built_have_no_number_of_parameters():
    def refuse():
        raise ValueError("the layer is not built")

    layer = types.SimpleNamespace(name="a", built=False, count_params=refuse)
    (node,) = steplog.Graph.from_keras(types.SimpleNamespace(layers=[layer])).nodes
    assert "num_parameters" not in node.to_json()
    assert node.to_json()["output_shape"] == ["multiple"]


def test_names_of_classes_are_what_an_image_takes(logged):
    classes = steplog.Classes([{"id": 1, "name": "car"}])
    masks = {"m": {"mask_data": np.eye(2, dtype=int)}}
    image = steplog.Image(np.zeros((2, 2)), masks=masks, classes=classes)
    value, _ = logged(image)
    assert value["masks"]["m"]["class_labels"] == {"1": "car"}
    assert logged(classes)[0] == {"_type": "classes", "class_set": [{"id": 1, "name": "car"}]}
    assert classes == steplog.Classes([{"id": 1, "name": "car"}])
    for wrong in (3, [3], [{"id": 1}]):
        with pytest.raises(TypeError, match="takes a list"):
            steplog.Classes(wrong)  # type: ignore[arg-type]


def test_the_references_module_of_types_is_there():
    for name in wandb.data_types.__all__:
        assert hasattr(wandb.data_types, name)
    assert wandb.data_types.Image is steplog.Image
    assert issubclass(wandb.data_types.Video, wandb.data_types.WBValue)


def test_media_lie_anywhere_in_a_row(logged):
    sound, cloud = steplog.Audio([0.0], 8000), steplog.Object3D(np.zeros((1, 3)))
    value, _ = logged([{"a": sound, "b": [cloud, cloud]}, 3, (sound, cloud)])
    assert value[0]["a"]["_type"] == "audio-file"
    assert value[0]["b"]["_type"] == "object3D"
    assert value[1] == 3
    assert [one["_type"] for one in value[2]] == ["audio-file", "object3D-file"]


def test_values_can_be_pickled_as_those_of_a_worker_are(start, media_of):
    drawn = Figure()
    drawn.add_subplot().imshow(np.eye(3))
    made = {
        "video": steplog.Video(np.zeros((2, 3, 4, 4), np.uint8), caption="c"),
        "audio": steplog.Audio([0.5, 1], 8000),
        "points": steplog.Object3D(np.ones((2, 3))),
        "molecule": steplog.Molecule(b"ATOM", file_type="pdb"),
        "plotly": steplog.Plotly({"data": [{"y": np.arange(3.0)}]}),
        "image": steplog.Image(drawn),
        "chart": Chart(drawn),
    }
    said = []
    for values in (made, pickle.loads(pickle.dumps(made))):  # noqa: S301  # ours
        with start() as run:
            run.log(values)
        rows: list[Any] = list(RunLog(run.sync_dir).rows())
        said.append({key: value for key, value in rows[0].items() if not key.startswith("_")})
        assert {value["path"] for value in said[-1].values()} == set(media_of(run.sync_dir))
    assert said[0] == said[1]
    assert len(said[0]) == len(made)
