"""What happens to channel labels when tensors are viewed, joined, split, repeated or padded."""

import numpy as np

from compressor.prune.coupling.call import CONSTANT, Call, unknown
from compressor.prune.coupling.labels import STAYS, Channels
from compressor.prune.coupling.reshape import reshape_labels
from compressor.prune.coupling.trail import Trail


def concatenate(trail: Trail, call: Call) -> None:
    """Put labels one after the other; tensors without labels on that axis bring channels that stay."""
    parts = [part for part in call.args[0] if part.ndim > 1 or part.numel() > 0]
    (output,) = call.outputs()
    axis = int(call.arg(1, 0)) % output.ndim
    dims: list[Channels | None] = list(trail.dims(parts[0]))
    for part in parts[1:]:
        for other in range(output.ndim):
            if other != axis:
                dims[other] = trail.labels.meet(dims[other], trail.dims(part)[other], CONSTANT)
    own = [trail.dims(part)[axis] for part in parts]
    dims[axis] = None
    if any(channels is not None for channels in own):
        trail.labels.is_plain &= all(channels is not None for channels in own)
        full = [
            np.full(part.shape[axis], STAYS, dtype=np.int64) if channels is None else channels
            for part, channels in zip(parts, own, strict=True)
        ]
        dims[axis] = np.concatenate(full)
    trail.put(output, dims)


def reshape(trail: Trail, call: Call) -> None:
    """Follow a view in another shape."""
    image = call.args[0]
    for output in call.outputs():
        trail.put(output, reshape_labels(trail.labels, trail.dims(image), image.shape, output.shape))


def permute(trail: Trail, call: Call) -> None:
    """Reorder the axes, and remember where a parameter went."""
    image = call.args[0]
    order = list(range(image.ndim))
    if call.name == "permute":
        order = [axis % image.ndim for axis in call.args[1]]
    elif image.ndim > 1:
        one, other = (call.args[1], call.args[2]) if call.name == "transpose" else (0, 1)
        order[one], order[other] = order[other], order[one]
    (output,) = call.outputs()
    dims = trail.dims(image)
    trail.put(output, [dims[axis] for axis in order])
    weight = trail.weight(image)
    if weight is not None:
        trail.put_weight(output, weight[0], [weight[1][axis] for axis in order])


def split(trail: Trail, call: Call) -> None:
    """Tie the channels at the same place of equal parts; channels of unequal parts stay."""
    image, axis = call.args[0], int(call.arg(2, 0))
    dims = list(trail.dims(image))
    channels = dims[axis]
    outputs = call.outputs()
    sizes = [output.shape[axis] for output in outputs]
    if channels is not None and len(set(sizes)) > 1:
        trail.labels.fix(channels, "is split into unequal parts")
    elif channels is not None:
        parts = channels.reshape(len(sizes), -1)
        for part in parts[1:]:
            trail.labels.tie(parts[0], part)
    start = 0
    for output, size in zip(outputs, sizes, strict=True):
        dims[axis] = None if channels is None else channels[start : start + size]
        trail.put(output, dims)
        start += size


def cut_out(trail: Trail, call: Call) -> None:
    """Pass labels through a slice; channels of an axis that is cut stay (slice, select, unbind, unfold)."""
    image = call.args[0]
    axis = int(call.arg(1, 0)) % image.ndim
    dims = list(trail.dims(image))
    for output in call.outputs():
        if output.shape != image.shape:
            trail.labels.fix(dims[axis], f"is cut by {call.name}")
        left: list[Channels | None] = [None if other == axis else dims[other] for other in range(image.ndim)]
        if output.shape == image.shape:
            left = dims
        elif output.ndim < image.ndim:
            del left[axis]
        trail.put(output, left)


def fresh(trail: Trail, call: Call) -> None:
    """Forget the model tensor: only its type was wanted (new_zeros and the like)."""
    for output in call.outputs():
        trail.put(output, [None] * output.ndim)


def restride(trail: Trail, call: Call) -> None:
    """Pass labels through where the shape stays; any other use of raw strides is not followed."""
    image = call.args[0]
    (output,) = call.outputs()
    wide = [axis for axis, size in enumerate(image.shape) if size > 1]
    if output.shape != image.shape or any(output.stride(axis) != image.stride(axis) for axis in wide):
        unknown(trail, call)
        return
    trail.put(output, trail.dims(image))


def expand(trail: Trail, call: Call) -> None:
    """Keep labels of the axes that keep their size, matched from the right (expand, repeat)."""
    image = call.args[0]
    dims = trail.dims(image)
    (output,) = call.outputs()
    left: list[Channels | None] = [None] * output.ndim
    for back in range(1, image.ndim + 1):
        if output.shape[-back] == image.shape[-back]:
            left[-back] = dims[-back]
        else:
            trail.labels.fix(dims[-back], f"is multiplied by {call.name}")
    trail.put(output, left)


def pad(trail: Trail, call: Call) -> None:
    """Pass labels through padding; zero channels can leave only where a PadShortcut adds them."""
    image, amounts = call.args[0], list(call.args[1])
    (output,) = call.outputs()
    dims = list(trail.dims(image))
    for back in range(1, len(amounts) // 2 + 1):
        before, after = amounts[2 * back - 2 : 2 * back]
        if before == after == 0 or (dims[-back] is None and trail.pad_shortcut is None):
            continue
        channels = dims[-back]
        if channels is None:
            channels = np.full(image.shape[-back], STAYS, dtype=np.int64)
        if min(before, after) < 0:
            trail.labels.fix(channels, "is cut by negative padding")
            dims[-back] = None
            continue
        zeros = np.full(before + after, STAYS, dtype=np.int64)
        if trail.pad_shortcut is not None:
            zeros = trail.labels.of_pad(trail.pad_shortcut, before + after)
        trail.labels.is_plain = False
        dims[-back] = np.concatenate([zeros[:before], channels, zeros[before:]])
    trail.put(output, dims)
