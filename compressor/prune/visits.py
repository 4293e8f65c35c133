"""What each module does with its input, seen in one forward pass on shapes.

Shortcuts are recognised by the tensors themselves: a module that adds what came in (also rearranged, as windows are, or
batch-normalised) to what it computed, or that joins a part of it to what it computed, passes its input on.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from compressor.prune.skeleton import tensors_in

REARRANGING = {
    "view", "_unsafe_view", "permute", "transpose", "t", "unsqueeze", "squeeze", "clone", "alias", "detach", "roll",
}  # fmt: skip
"""Operations after which every number is still there."""
SPLITTING = {"split", "split_with_sizes", "chunk", "slice", "narrow", "unbind"}
"""Operations that take parts."""
PRODUCTS = {"convolution", "mm", "addmm", "bmm", "baddbmm"}


@dataclass(slots=True, eq=False)
class Visit:
    """One module in one forward pass."""

    name: str
    num: int = 0
    """How often it ran."""
    inputs: list[Tensor] = field(default_factory=list)
    image: Tensor | None = None
    """What came in, where that was one tensor."""
    output: Tensor | None = None
    """What went out, where that was one tensor."""
    whole: dict[int, Tensor] = field(default_factory=dict)
    """The image, its rearrangements, and these batch-normalised."""
    parts: dict[int, Tensor] = field(default_factory=dict)
    """Parts of the image."""
    passes_on: bool = False
    """Its input is added or joined to what it computes."""
    adds: bool = False
    """Its own code, not that of a module inside, adds what two paths computed."""
    added_outside: bool = False
    """Whoever calls it adds its input to its output."""
    joined_outside: bool = False
    """Whoever calls it joins its input to its output."""
    has_product: bool = False
    """It multiplies with a matrix or convolves."""
    has_convolution: bool = False
    has_last_product: bool = False
    """It makes the answer of the network."""

    @property
    def keeps_shape(self) -> bool:
        """Whether what goes out has the shape of what came in."""
        return self.image is not None and self.output is not None and self.image.shape == self.output.shape


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation of a forward pass, and inside which modules it happens."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.visits: dict[str, Visit] = {}
        self.has_shortcuts = False
        """Whether two computed tensors were added anywhere, or a part of an input was passed on."""
        self._running: list[Visit] = []
        self._last: tuple[Visit, ...] = ()

    def attach(self, model: nn.Module) -> None:
        """Follow every module of a skeleton; the network itself is called ""."""
        for name, module in model.named_modules():
            module.register_forward_pre_hook(self._enter(name))
            module.register_forward_hook(self._leave)

    def mark_last_product(self) -> None:
        """Mark the modules that hold the last product."""
        for visit in self._last:
            visit.has_last_product = True

    def _enter(self, name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(_: nn.Module, args: tuple[Any, ...]) -> None:
            visit = self.visits.setdefault(name, Visit(name))
            visit.num += 1
            visit.inputs = tensors_in(args)
            visit.image = args[0] if len(args) == 1 and isinstance(args[0], Tensor) else None
            if visit.image is not None:
                visit.whole[id(visit.image)] = visit.image
            self._running.append(visit)

        return hook

    def _leave(self, _: nn.Module, __: tuple[Any, ...], output: Any) -> None:
        self._running.pop().output = output if isinstance(output, Tensor) else None

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in REARRANGING:
            self._follow(args[0], [result], is_part=False)
        elif name == "native_batch_norm":
            # A path that only scales its input, as in RepVGG.
            self._follow(args[0], [result[0]], is_part=False)
        elif name in SPLITTING:
            self._follow(args[0], tensors_in(result), is_part=True)
        elif name in ("add", "add_"):
            self._note_sum([operand for operand in args[:2] if isinstance(operand, Tensor)])
        elif name == "cat":
            self._note_joint(args[0])
        elif name in PRODUCTS:
            self._last = tuple(self._running)
            for visit in self._running:
                visit.has_product = True
                visit.has_convolution |= name == "convolution"
        return result

    def _follow(self, source: Tensor, results: Iterable[Tensor], *, is_part: bool) -> None:
        for visit in self._running:
            if id(source) in visit.whole and not is_part:
                visit.whole.update((id(result), result) for result in results)
            elif id(source) in visit.whole or id(source) in visit.parts:
                visit.parts.update((id(result), result) for result in results)

    def _note_sum(self, operands: list[Tensor]) -> None:
        """Note what is added, unless it is a bias: a parameter, or of another shape."""
        if len(operands) < 2 or operands[0].shape != operands[1].shape:
            return
        if any(isinstance(operand, nn.Parameter) for operand in operands):
            return
        self.has_shortcuts = True
        ids = {id(operand) for operand in operands}
        if self._running:
            self._running[-1].adds = True
        for visit in self.visits.values():
            if visit in self._running:
                visit.passes_on |= any(number in visit.whole for number in ids)
            else:
                visit.added_outside |= {id(visit.image), id(visit.output)} == ids

    def _note_joint(self, joined: Sequence[Tensor]) -> None:
        ids = {id(tensor) for tensor in joined}
        for visit in self.visits.values():
            if visit in self._running:
                if ids & visit.parts.keys():
                    visit.passes_on = self.has_shortcuts = True
            elif id(visit.output) in ids and visit.inputs:
                visit.joined_outside |= all(id(tensor) in ids for tensor in visit.inputs)
