"""What happens to channel labels inside attention of a known class. Elsewhere these operations keep their channels."""

import numpy as np

from compressor.prune.coupling.call import Call, Rule, pointwise
from compressor.prune.coupling.labels import Channels
from compressor.prune.coupling.layer_rules import ATTENTION
from compressor.prune.coupling.trail import Trail
from compressor.prune.coupling.view_rules import cut_out, expand


def product(trail: Trail, call: Call) -> None:
    """Tie the channels that queries and keys are compared by; values keep theirs."""
    left, right = call.args[1:3] if call.name == "baddbmm" else call.args[:2]
    (output,) = call.outputs()
    compared = trail.labels.meet(trail.dims(left)[-1], trail.dims(right)[-2], ATTENTION)
    made = trail.dims(right)[-1]
    trail.put(output, [*trail.dims(left)[:-1], made])
    if compared is not None or made is not None:
        trail.attend(macs=left.numel() * right.shape[-1])


def norm(trail: Trail, call: Call) -> None:
    """Drop the reduced axes: channels that are zero or gone add nothing to a norm."""
    image = call.args[0]
    axes = {axis % image.ndim for axis in call.args[2]}
    (output,) = call.outputs()
    dims = trail.dims(image)
    trail.put(output, [None if axis in axes else dims[axis] for axis in range(image.ndim)])


def broadcast(trail: Trail, call: Call) -> None:
    """Let one number per head, repeated for each of its channels, leave with any of them."""
    image = call.args[0]
    (output,) = call.outputs()
    expand(trail, call)
    if image.ndim > 0 and image.shape[-1] == 1 < output.shape[-1]:
        trail.put(output, [*trail.dims(output)[:-1], trail.labels.fresh(output.shape[-1])])


def part(trail: Trail, call: Call) -> None:
    """Follow a slice of the queries, keys or values: the three stay equally wide, so it cuts at the same place."""
    image, axis = call.args[0], int(call.arg(1, 0))
    dims: list[Channels | None] = list(trail.dims(image))
    channels = dims[axis]
    if channels is None:
        cut_out(trail, call)
        return
    (output,) = call.outputs()
    dims[axis] = np.ascontiguousarray(channels[call.arg(2) : call.arg(3) : call.arg(4, 1)])
    trail.put(output, dims)


INSIDE: dict[str, Rule] = {
    "bmm": product,
    "baddbmm": product,
    "linalg_vector_norm": norm,
    "expand": broadcast,
    "slice": part,
    "zero": pointwise,
}
"""Operation to its rule inside attention."""
