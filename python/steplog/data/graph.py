"""Graphs of a model's layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steplog._errors import ArgumentTypeError, UsageError
from steplog.data import json_text
from steplog.data.media import Media, put

if TYPE_CHECKING:
    from steplog.data.media import Place

__all__ = ["Edge", "Graph", "Node"]

_FIELDS = frozenset(
    {
        *("id", "name", "class_name", "size", "parameters", "output_shape", "is_output"),
        *("num_parameters", "child_parameters", "is_constant", "functions"),
    }
)


class Node:
    """A layer of a model: `None`, what is not known of it.

    Attributes:
        id: Tells it from others of its graph.
        name: What it is called.
        class_name: What it is.
        size: Of its tensor.
        parameters: Of each its name and shape.
        output_shape: Shapes of what it gives.
        is_output: Whether it is the model's last.
        num_parameters: How many numbers it has.
    """

    id: object
    name: object
    class_name: object
    size: object
    parameters: object
    output_shape: object
    is_output: object
    num_parameters: object
    child_parameters: object
    is_constant: object
    functions: object

    def __init__(  # noqa: PLR0917  # as in the reference
        self,
        id: object = None,
        name: object = None,
        class_name: object = None,
        size: object = None,
        parameters: object = None,
        output_shape: object = None,
        is_output: object = None,
        num_parameters: object = None,
        node: Node | None = None,
    ) -> None:
        given = {
            "id": id,
            "name": name,
            "class_name": class_name,
            "size": size,
            "parameters": parameters,
            "output_shape": output_shape,
            "is_output": is_output,
            "num_parameters": num_parameters,
        }
        found = {} if node is None else {**vars(node), "id": None}
        found |= {field: value for field, value in given.items() if value is not None}
        self.__dict__.update(dict.fromkeys(_FIELDS) | found)

    def to_json(self) -> dict[str, object]:
        """What is known of it; its name in any case."""
        known = {field: value for field, value in vars(self).items() if field in _FIELDS}
        return {
            field: value for field, value in known.items() if value is not None or field == "name"
        }

    @classmethod
    def from_keras(cls, layer: Any) -> Node:  # noqa: ANN401  # of Keras
        """A layer of Keras; how many parameters it has is not known before it is built."""
        shape = getattr(layer, "output_shape", None)
        if shape is None:  # Keras 3
            shape = getattr(getattr(layer, "output", None), "shape", None)
        return cls(
            id=layer.name,
            name=layer.name,
            class_name=type(layer).__name__,
            output_shape=["multiple"] if shape is None else shape,
            num_parameters=layer.count_params() if getattr(layer, "built", True) else None,
        )


class Edge:
    """What leads from one node to another."""

    def __init__(self, from_node: Node, to_node: Node) -> None:
        self.from_node = from_node
        self.to_node = to_node
        self.name: object = None

    def to_json(self) -> list[object]:
        """The ids of both."""
        return [self.from_node.id, self.to_node.id]


class Graph(Media):
    """A graph of nodes and edges, such as a model's layers.

    It is taken as it is when it is logged. `log` returns at once; its file is in the log first,
    then its row's value (`await run.alog`, `flush` and `finish` wait for it).

    Args:
        format: How it is drawn: `keras` or `torch`.

    Attributes:
        nodes: In the order in which they were added.
        nodes_by_id: The same, by id.
        edges: In the order in which they were added.
    """

    def __init__(self, format: str = "keras") -> None:
        self.format = str(format)
        self.nodes: list[Node] = []
        self.nodes_by_id: dict[object, Node] = {}
        self.edges: list[Edge] = []
        self.root: Node | None = None

    def __getitem__(self, id: object) -> Node:
        return self.nodes_by_id[id]

    def add_node(self, node: Node | None = None, **fields: Any) -> Node:  # noqa: ANN401  # of `Node`
        """Add a node, or one of these fields.

        Raises:
            UsageError: Both are given, or a node has such an id already.
        """
        if node is not None and fields:
            raise UsageError("add_node() takes a node, or the fields of one")
        node = Node(**fields) if node is None else node
        if self.nodes_by_id.setdefault(node.id, node) is not node:
            raise UsageError(f"the graph has a node with the id {node.id!r}")
        self.nodes.append(node)
        return node

    def add_edge(self, from_node: Node, to_node: Node) -> Edge:
        """Add an edge.

        Raises:
            ArgumentTypeError: One of both is no node.
        """
        for node in (from_node, to_node):
            if not isinstance(node, Node):
                raise ArgumentTypeError(f"an edge has two nodes, got {type(node).__name__}")
        edge = Edge(from_node, to_node)
        self.edges.append(edge)
        return edge

    @classmethod
    def from_keras(cls, model: Any) -> Graph:  # noqa: ANN401  # of Keras
        """The layers of a model of Keras, and which gives what to which."""
        graph = cls()
        for layer in model.layers:
            graph.add_node(Node.from_keras(layer))
        for layer in model.layers:
            sources = [
                source
                for call in getattr(layer, "_inbound_nodes", [])
                for source in _layers_before(call)
                if source.name in graph.nodes_by_id
            ]
            for source in sources:
                graph.add_edge(graph[source.name], graph[layer.name])
        return graph

    def taken(self) -> object:
        """As of `Value`: it may grow afterwards."""
        return _Snapshot(self._content()).taken()

    def _content(self) -> dict[str, object]:
        return {
            "format": self.format,
            "nodes": [_plain(node.to_json()) for node in self.nodes],
            "edges": [edge.to_json() for edge in self.edges],
        }


class _Snapshot(Media):
    """A graph as it was."""

    def __init__(self, content: dict[str, object]) -> None:
        self._content = content

    def _store(self, place: Place, key: str) -> dict[str, object]:
        text = json_text.encode(self._content, str)
        return {"_type": "graph-file", **put(place, ("graph", key, ".graph.json"), text)}


def _plain(value: Any) -> object:  # noqa: ANN401  # of any library
    """A value that no later change reaches."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _layers_before(call: Any) -> list[Any]:  # noqa: ANN401  # of Keras
    """The layers whose output a call of a layer takes, in Keras 2 and 3."""
    before = getattr(call, "inbound_layers", None)
    if before is None:
        before = [parent.operation for parent in getattr(call, "parent_nodes", [])]
    return list(before) if isinstance(before, (list, tuple)) else [before]
