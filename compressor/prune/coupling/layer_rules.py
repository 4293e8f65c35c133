"""What layers do to channel labels: products, normalisation, pooling, reductions. N: images, C: channels."""

import numpy as np
from torch import Tensor

from compressor.prune.coupling.call import CONSTANT, Call, Rule, pointwise
from compressor.prune.coupling.trail import Trail
from compressor.prune.skeleton import tensors_in

IMAGE = "reads the image"
COMPUTED = "its weight is computed in the forward pass"
MIXED = "repeats a layer that mixes tokens, once for each channel"
"""The cost of that layer would fall with channels that are not its own, which no prediction knows."""
ATTENTION = "is part of a product of two activations (attention)"


def convolution(trail: Trail, call: Call) -> None:
    """Make new channels; those of the input are tied to the columns of the weight, or to a whole group."""
    image, weight, bias = call.args[:3]
    is_transposed, num_groups = bool(call.args[6]), int(call.args[8])
    (output,) = call.outputs()
    entering = trail.dims(image)[1]
    name = trail.labels.name_of(weight)
    if name is None or (is_transposed and num_groups > 1):
        trail.labels.fix(entering, COMPUTED if name is None else "enters a grouped transposed convolution")
        for channels in trail.dims(weight):
            trail.labels.fix(channels, COMPUTED)
        trail.put(output, [None] * output.ndim)
        return
    out_dim = 1 if is_transposed else 0
    made = trail.labels.of(name, weight, out_dim)
    if num_groups == 1:
        reading = trail.labels.of(name, weight, 1 - out_dim)
        trail.labels.meet(entering, reading, IMAGE)
    elif made is not None and entering is not None:
        # A group leaves as a whole, with all channels that enter and leave it: its filters keep their shape.
        first = made.reshape(num_groups, -1)[:, :1]
        for channels in (entering.reshape(num_groups, -1), made.reshape(num_groups, -1)):
            unite = trail.labels.unite if channels.shape[1] == 1 else trail.labels.tie
            unite(np.repeat(first, channels.shape[1], axis=1), channels)
    else:
        trail.labels.meet(entering, made, "is grouped over channels that stay")
    if bias is not None:
        trail.labels.meet(made, trail.dims(bias)[0], CONSTANT)
    trail.put(output, [None, made, *[None] * (output.ndim - 2)])
    space = (image if is_transposed else output).shape[2:]
    trail.multiply(
        name,
        out_dim=out_dim,
        in_dim=1 - out_dim if num_groups == 1 else None,
        positions=output.shape[0] * int(np.prod(space)),
    )


def matrix_product(trail: Trail, call: Call) -> None:
    """Contract the last axis of the left with the second last of the right: linear layers and attention."""
    with_bias = call.name in ("addmm", "baddbmm")
    bias = call.args[0] if with_bias else None
    left, right = call.args[1:3] if with_bias else call.args[:2]
    (output,) = call.outputs()
    weight = trail.weight(right) if right.ndim == 2 else None
    is_left = weight is None and left.ndim == 2 and trail.weight(left) is not None
    weight = trail.weight(left) if is_left else weight
    if weight is None:
        for channels in (*trail.dims(left), *trail.dims(right)):
            trail.labels.fix(channels, ATTENTION)
        trail.put(output, [None] * output.ndim)
        return
    trail.labels.meet(trail.dims(left)[-1], trail.dims(right)[-2], "reads tokens or the image")
    dims = (trail.dims(left)[0], trail.dims(right)[1])
    trail.labels.fix(dims[1 if is_left else 0], MIXED)
    trail.put(output, dims)
    name, axes = weight
    trail.multiply(
        name,
        out_dim=axes[0] if is_left else axes[1],
        in_dim=axes[1] if is_left else axes[0],
        positions=right.shape[1] if is_left else left.shape[0],
    )
    if isinstance(bias, Tensor):
        pointwise(trail, Call(name="bias", args=(output, bias), output=output))


def attention(trail: Trail, call: Call) -> None:
    """Keep queries, keys and values: how they divide into heads is written into the modules."""
    for tensor in tensors_in(list(call.args)):
        for channels in trail.dims(tensor):
            trail.labels.fix(channels, ATTENTION)


def batch_norm(trail: Trail, call: Call) -> None:
    """Tie scale, shift and running statistics to the channels."""
    image = call.args[0]
    dims = list(trail.dims(image))
    for tensor in tensors_in(list(call.args[1:])):
        dims[1] = trail.labels.meet(dims[1], trail.dims(tensor)[0], CONSTANT)
    trail.put(call.outputs()[0], dims)


def layer_norm(trail: Trail, call: Call) -> None:
    """Tie scale and shift to the normalised axes; the statistics are then those of the channels that stay."""
    dims = list(trail.dims(call.args[0]))
    if any(channels is not None for channels in dims[-len(call.args[1]) :]):
        trail.labels.has_bare_norms |= call.args[2] is None or trail.labels.name_of(call.args[2]) is None
    for tensor in tensors_in(list(call.args[2:])):
        for back in range(1, tensor.ndim + 1):
            dims[-back] = trail.labels.meet(dims[-back], trail.dims(tensor)[-back], CONSTANT)
    trail.put(call.outputs()[0], dims)


def group_norm(trail: Trail, call: Call) -> None:
    """Tie the channels at the same place of each group, so that all groups stay equally wide."""
    image, num_groups = call.args[0], int(call.args[6])
    dims = list(trail.dims(image))
    for tensor in tensors_in(list(call.args[1:3])):
        dims[1] = trail.labels.meet(dims[1], trail.dims(tensor)[0], CONSTANT)
    if dims[1] is not None:
        trail.labels.has_bare_norms |= call.args[1] is None or trail.labels.name_of(call.args[1]) is None
        rows = dims[1].reshape(num_groups, -1)
        for row in rows[1:]:
            trail.labels.tie(rows[0], row)
    trail.put(call.outputs()[0], dims)


def spatial(num_axes: int) -> Rule:
    """Return the rule of an operation that changes the last `num_axes` axes and works on each channel alone."""

    def rule(trail: Trail, call: Call) -> None:
        dims = trail.dims(call.args[0])
        for channels in dims[-num_axes:]:
            trail.labels.fix(channels, f"is an axis of {call.name}")
        for output in call.outputs():
            trail.put(output, [*dims[:-num_axes], *[None] * num_axes])

    return rule


def reduction(trail: Trail, call: Call) -> None:
    """Drop the reduced axes; channels that are averaged over stay."""
    image = call.args[0]
    wanted = call.arg(1)
    wanted = [wanted] if isinstance(wanted, int) and not isinstance(wanted, bool) else wanted
    given = wanted if isinstance(wanted, list | tuple) and wanted else range(image.ndim)
    axes = {axis % image.ndim for axis in given}
    dims = trail.dims(image)
    for axis in axes:
        trail.labels.fix(dims[axis], f"is reduced by {call.name}")
    for output in call.outputs():
        keeps_axes = output.ndim == image.ndim
        left = [None if axis in axes else dims[axis] for axis in range(image.ndim) if keeps_axes or axis not in axes]
        trail.put(output, left)


def along_axis(trail: Trail, call: Call) -> None:
    """Pass labels through; channels along the named axes stay (softmax, roll, flip)."""
    image = call.args[0]
    axes = call.args[2] if call.name == "roll" else call.args[1]
    dims = trail.dims(image)
    for axis in [axes] if isinstance(axes, int) else axes:
        trail.labels.fix(dims[axis], f"goes through {call.name} along the channels")
    for output in call.outputs():
        trail.put(output, dims)
