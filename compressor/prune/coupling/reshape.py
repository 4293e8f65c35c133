"""What becomes of channel labels when a tensor is viewed in another shape."""

from collections.abc import Sequence

import numpy as np

from compressor.prune.coupling.labels import Channels, Labels

TOO_MANY = 50_000_000
"""Elements of an axis block beyond which its labels are not written out."""


def reshape_labels(
    labels: Labels, dims: Sequence[Channels | None], shape: Sequence[int], new_shape: Sequence[int]
) -> list[Channels | None]:
    """Follow labels through a view.

    Axes that keep their size keep their labels. A flatten repeats them. Where an axis is split in two and the labels
    vary along both parts (channel shuffle), the channels at the same place of the last part are tied: removing them
    together leaves a tensor that splits the same way.

    Args:
        labels: learns what is tied, and what stays.
        dims: labels of each axis before.
        shape: sizes before.
        new_shape: sizes after.

    Returns:
        Labels of each axis after.
    """
    new_dims: list[Channels | None] = [None] * len(new_shape)
    for before, after in _blocks(shape, new_shape):
        labelled = [axis for axis in before if dims[axis] is not None]
        if not labelled:
            continue
        if len(before) == len(after) == 1:
            new_dims[after[0]] = dims[before[0]]
            continue
        sizes = [shape[axis] for axis in before]
        if len(labelled) > 1 or np.prod(sizes) > TOO_MANY:
            for axis in labelled:
                labels.fix(dims[axis], "two axes with channels are merged into one")
            continue
        place = before.index(labelled[0])
        channels = dims[labelled[0]]
        assert channels is not None
        aligned = channels.reshape([-1 if number == place else 1 for number in range(len(sizes))])
        spread = np.broadcast_to(aligned, sizes).reshape([new_shape[axis] for axis in after])
        _relabel(labels, spread, after, new_dims)
    return new_dims


def _relabel(labels: Labels, spread: Channels, after: Sequence[int], new_dims: list[Channels | None]) -> None:
    """Give the last axis along which the labels vary those labels, and tie what differs along the others."""
    varying = [number for number in range(spread.ndim) if (spread != spread.take([0], axis=number)).any()]
    if not varying:
        # All elements carry one label: the axis is one unit.
        labels.fix(spread.ravel()[:1], "all its channels are tied into one")
        return
    last = varying[-1]
    rows = np.moveaxis(spread, last, -1).reshape(-1, spread.shape[last])
    if len(varying) > 1:
        distinct = np.unique(rows, axis=0)
        for row in distinct[1:]:
            labels.tie(distinct[0], row)
        new_dims[after[last]] = np.ascontiguousarray(distinct[0])
    else:
        new_dims[after[last]] = np.ascontiguousarray(rows[0])


def _blocks(shape: Sequence[int], new_shape: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Return the smallest runs of axes before and after that hold the same elements; axes of size 1 are dropped."""
    before = [axis for axis, size in enumerate(shape) if size != 1]
    after = [axis for axis, size in enumerate(new_shape) if size != 1]
    blocks = []
    while before and after:
        left, right = [before.pop(0)], [after.pop(0)]
        num_left, num_right = shape[left[0]], new_shape[right[0]]
        while num_left != num_right:
            if num_left < num_right:
                left.append(before.pop(0))
                num_left *= shape[left[-1]]
            else:
                right.append(after.pop(0))
                num_right *= new_shape[right[-1]]
        blocks.append((left, right))
    return blocks
