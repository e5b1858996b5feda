"""What a model of torch consists of: seen in its first forward pass."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from steplog._watch_hooks import EagerHook, behind_backward
from steplog.data.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["GraphHook"]


class GraphHook:
    """Looks at one model until its forward pass is over, then gives its graph to `tell`.

    Its nodes are the model's layers, in the order in which they are called; what has layers of its
    own is one node, unless it is a `Sequential`, a `ModuleList` or a `ModuleDict`. Of a pass that
    is compiled code only its backward pass is seen: the layers come in the order of the model then,
    without the shapes of what they give.
    """

    def __init__(self, model: Any, tell: Callable[[Callable[[], Graph]], None]) -> None:  # noqa: ANN401  # of torch
        self._tell = tell
        self._called: dict[int, tuple[str, Any, list[object]]] = {}
        self._handles = [
            layer.register_forward_hook(EagerHook(self._layer_hook(name)))
            for name, layer in _layers(model, "")
        ]
        self._handles.append(model.register_forward_hook(EagerHook(self._end)))
        self._handles += behind_backward(model, self._end_unseen)

    def remove(self) -> None:
        """Look no more; harmless when called again."""
        while self._handles:
            self._handles.pop().remove()

    def _layer_hook(self, name: str) -> Callable[..., None]:
        def note(layer: Any, _: object, output: object) -> None:  # noqa: ANN401  # of torch
            self._called.setdefault(id(layer), (name, layer, _shapes(output)))

        return note

    def _end(self, *_: object) -> None:
        self.remove()
        self._tell(self._graph)

    def _end_unseen(self, model: Any) -> None:  # noqa: ANN401  # of torch
        for name, layer in _layers(model, ""):
            self._called.setdefault(id(layer), (name, layer, []))
        self._end()

    def _graph(self) -> Graph:
        graph = Graph("torch")
        for number, (name, layer, shapes) in self._called.items():
            parameters = [(of, list(one.shape)) for of, one in layer.named_parameters()]
            graph.add_node(
                id=number,
                name=name,
                class_name=str(layer),
                parameters=parameters,
                output_shape=shapes,
                num_parameters=[one.numel() for one in layer.parameters()],
            )
        return graph


def _layers(module: Any, prefix: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401  # of torch
    nn = sys.modules["torch"].nn
    containers = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
    children = list(module.named_children())
    if not children and not prefix:
        yield type(module).__name__, module
    for name, child in children:
        if isinstance(child, containers):
            yield from _layers(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child


def _shapes(output: object) -> list[object]:
    """The shape of each tensor in what a layer gives."""
    if hasattr(output, "shape"):
        return [[int(extent) for extent in output.shape]]
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (list, tuple)):
        return [shape for part in output for shape in _shapes(part)]
    return []
