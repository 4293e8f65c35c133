"""From a classifier to the program that bounds walk along, or the name of the operator that nobody knows here.

The forward pass is traced by torch.fx and run once, for shapes. An operator that is not in the tables of `operators` is
out of reach, by name. At the end the program answers random images beside the classifier itself: where a value was
changed in place after it was read, or anything else was misread, the two differ, and the network is out of reach too.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from compressor.prove.operators import LAYERS, MOVES, RECTIFIERS, RESHAPES, SUMS, UnknownOperatorError, reshaping
from compressor.prove.program import Map, Node, OutOfReach, Program, Rectifier, Sum, arrangement, scaling

NUM_PROBES = 3
"""Images that the program and the classifier both answer; more than one, so that a batch can be told from a channel."""
AGREEMENT = 1e-4
"""Largest difference of their logits, as a share of the largest logit: float32 against float64."""
MOST_PARAMS = 20_000_000
MOST_VALUES = 200_000
"""Read by ReLUs, for one image. A CIFAR ResNet-20 reads 188,416."""


def trace(classifier: nn.Module, shape: tuple[int, int, int]) -> Program | OutOfReach:
    """Read a classifier, normalisation included.

    Args:
        classifier: images (n, C, H, W) float32 in [0, 1] to logits (n, K), in eval mode, on the CPU.
        shape: (C, H, W).
    """
    num_params = sum(parameter.numel() for parameter in classifier.parameters())
    if num_params > MOST_PARAMS:
        return OutOfReach(reason=f"it is too large for bounds that say anything: {num_params:,} parameters")
    probes = torch.rand(NUM_PROBES, *shape, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            graph = fx.symbolic_trace(classifier)
            # A copy, because an in-place ReLU would write into it.
            reader = _Reader(graph)
            reader.run(probes.clone())
            program = reader.program()
            # Fewer images than were traced: a network that reads the size of its batch would answer otherwise.
            answer = classifier(probes[1:].clone())
            found = program.forward(probes[1:].double())
            is_consistent = all(_is_consistent(program, node) for node in program.nodes)
    except UnknownOperatorError as error:
        return OutOfReach(reason=str(error))
    except (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError) as error:
        words = str(error).strip().splitlines()
        return OutOfReach(reason=f"its forward pass cannot be followed: {words[0] if words else type(error).__name__}")
    if found.shape != answer.shape or not _agree(found, answer) or not is_consistent:
        return OutOfReach(reason="what was read from its forward pass does not answer as the network itself")
    num_values = sum(torch.Size(program.nodes[place].shape).numel() for place in program.rectified)
    if num_values > MOST_VALUES:
        return OutOfReach(reason=f"it is too large for bounds that say anything: its ReLUs read {num_values:,} values")
    return program


def _is_consistent(program: Program, node: Node) -> bool:
    """Say whether a map's parts belong together: b is what it makes of zero, A's transpose and |A| are those of A."""
    step = node.step
    if not isinstance(step, Map):
        return True
    numbers = torch.Generator().manual_seed(1)
    into = torch.randn(1, *program.nodes[node.inputs[0]].shape, generator=numbers, dtype=torch.float64)
    out = torch.randn(1, *node.shape, generator=numbers, dtype=torch.float64)
    offset = step.forward(torch.zeros_like(into))
    moved, size = step.forward(into) - offset, step.spread(into.abs())
    expected = torch.zeros_like(offset) if step.offset is None else step.offset[None]
    slack = 1e-9 * (1 + size + offset.abs())
    gap = ((out * moved).sum() - (step.back(out) * into).sum()).abs()
    return bool(
        ((offset - expected).abs() <= slack).all()
        and (moved.abs() <= size + slack).all()
        and gap <= 1e-9 * (1 + (out.abs() * (size + slack)).sum())
    )


def _agree(found: Tensor, answer: Tensor) -> bool:
    return bool((found - answer).abs().max() <= AGREEMENT * (1e-6 + answer.abs().max()))


class _Reader(fx.Interpreter):
    """Runs the graph once and writes one node of the program for each operator that touches the image."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.extra_traceback = False  # it would be written into our own reasons
        self.nodes: list[Node] = []
        self.place: dict[fx.Node, int] = {}
        """Which node of the program holds a node of the graph; what is not here does not depend on the image."""
        self.answer: int | None = None

    def program(self) -> Program:
        """Return what was read."""
        if self.answer is None or len(self.nodes[self.answer].shape) != 1:
            raise UnknownOperatorError("it does not answer with one row of logits per image")
        return Program(nodes=tuple(self.nodes[: self.answer + 1]))

    def run_node(self, n: fx.Node) -> Any:
        """Run one operator, and write down what it does to the image."""
        value = super().run_node(n)
        if n.op == "placeholder":
            if self.nodes:
                raise UnknownOperatorError("its forward pass takes more than one tensor")
            self._write(n, None, (), value)
        elif n.op == "output":
            given = n.args[0]
            if not isinstance(given, fx.Node) or given not in self.place:
                raise UnknownOperatorError("its answer is not one tensor that depends on the image")
            self.answer = self.place[given]
        elif any(each in self.place for each in n.all_input_nodes) and not _is_size(n, value):
            self._read(n, value)
        return value

    def _write(self, n: fx.Node, step: Map | Sum | Rectifier | None, inputs: tuple[int, ...], value: Any) -> None:
        if not isinstance(value, Tensor) or value.ndim < 2 or len(value) != NUM_PROBES:
            raise UnknownOperatorError(
                f"{_name(n, self.submodules)} answers with something else than one tensor per image"
            )
        self.nodes.append(Node(step=step, inputs=inputs, shape=tuple(value.shape[1:])))
        self.place[n] = len(self.nodes) - 1

    def _read(self, n: fx.Node, value: Any) -> None:
        name = _name(n, self.submodules)
        what: Any = type(self.fetch_attr(str(n.target))) if n.op == "call_module" else n.target
        tensors = [each for each in n.all_input_nodes if each in self.place]
        if what in SUMS and len(n.args) == 2 and not n.kwargs:
            self._sum(n, SUMS[what], value, name)
            return
        if len(tensors) != 1 or n.args[:1] != (tensors[0],):
            raise UnknownOperatorError(f"{name} combines values in a way that no bound is known for")
        given = self.place[tensors[0]]
        shape = self.nodes[given].shape
        if what in RECTIFIERS:
            self._write(n, Rectifier(), (given,), value)
        elif n.op == "call_module" and what in LAYERS:
            module: Any = self.fetch_attr(str(n.target))
            self._write(n, LAYERS[what](module, shape, value), (given,), value)
        elif what in RESHAPES:
            self._write(n, reshaping(shape, value, name), (given,), value)
        elif what in MOVES and MOVES[what](n):
            self._write(n, arrangement(self._again(n), shape), (given,), value)
        else:
            raise UnknownOperatorError(f"the operator {name} has no bound here")

    def _sum(self, n: fx.Node, sign: int | None, value: Any, name: str) -> None:
        """Write a sum or difference of two values, or arithmetic with a constant."""
        first, second = n.args
        places = [self.place.get(each) if isinstance(each, fx.Node) else None for each in (first, second)]
        if places[0] is not None and places[1] is not None:
            if sign is None or self.nodes[places[0]].shape != self.nodes[places[1]].shape:
                raise UnknownOperatorError(f"the operator {name} has no bound here for two values of the image")
            self._write(n, Sum(sign=sign), (places[0], places[1]), value)
            return
        what: Any = n.target
        given = places[0] if places[0] is not None else places[1]
        assert given is not None
        other: Any = self.map_nodes_to_values(second if places[0] is not None else first, n)
        constant = _constant(other, name)
        shape = self.nodes[given].shape
        if not isinstance(value, Tensor) or tuple(value.shape[1:]) != shape:
            raise UnknownOperatorError(f"the operator {name} repeats values in a way that no bound is known for")
        factor, offset = _arithmetic(str(getattr(what, "__name__", what)), constant, is_first=places[0] is not None)
        if factor is None and offset is None:
            raise UnknownOperatorError(f"the operator {name} has no bound here")
        self._write(n, scaling(factor, offset, shape), (given,), value)

    def _again(self, n: fx.Node) -> Callable[[Tensor], Tensor]:
        """Return the operator as a function of its first argument."""
        rest: Any = self.map_nodes_to_values(n.args[1:], n)
        named: Any = self.map_nodes_to_values(n.kwargs, n)
        if n.op == "call_module":
            module: Callable[[Tensor], Tensor] = self.fetch_attr(str(n.target))
            return module
        if n.op == "call_method":
            return lambda values: getattr(values, str(n.target))(*rest, **named)
        function: Any = n.target
        return lambda values: function(values, *rest, **named)


def _name(n: fx.Node, modules: dict[str, nn.Module]) -> str:
    """Return what a person calls an operator: the class of a module with its place, or the name of a function."""
    if n.op == "call_module":
        return f"{type(modules[str(n.target)]).__name__} ({n.target})"
    return str(n.target if n.op == "call_method" else getattr(n.target, "__name__", n.target))


def _is_size(n: fx.Node, value: Any) -> bool:
    """Say whether a value is a plain number or a shape, which a reshape may read: the same for every image."""
    return isinstance(value, int | torch.Size) or (
        n.target is getattr and isinstance(value, torch.device | torch.dtype)
    )


def _constant(value: Any, name: str) -> Tensor:
    """Return a constant without its batch axis, in float64."""
    if isinstance(value, bool) or not isinstance(value, int | float | Tensor):
        raise UnknownOperatorError(f"the operator {name} takes a {type(value).__name__}")
    constant = torch.as_tensor(value, dtype=torch.float64)
    if constant.ndim > 3:
        if len(constant) != 1:
            raise UnknownOperatorError(f"{name} tells images of a batch apart")
        constant = constant[0]
    return constant


def _arithmetic(what: str, constant: Tensor, *, is_first: bool) -> tuple[Tensor | None, Tensor | None]:
    """Return factor and offset of arithmetic with a constant; `is_first`: the image's value stands on the left."""
    kind = what.strip("_").removeprefix("i")
    if kind == "add":
        return None, constant
    if kind == "sub":
        return (None, -constant) if is_first else (-torch.ones_like(constant), constant)
    if kind == "mul":
        return constant, None
    if kind in ("div", "truediv") and is_first:
        return 1 / constant, None
    return None, None
