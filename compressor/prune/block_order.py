"""In which order blocks leave: the least important first, one at a time, scored anew after each."""

from collections.abc import Sequence

import numpy as np

from compressor.errors import PruneError
from compressor.progress import SILENT, Progress
from compressor.prune.block_criteria import BLOCK_CRITERIA, Probe
from compressor.prune.blocks import Block
from compressor.prune.criteria import Material


def order_blocks(
    blocks: Sequence[Block], material: Material, *, criterion: str, num: int, progress: Progress = SILENT
) -> tuple[Block, ...]:
    """Return the first `num` blocks to leave, in the order in which they leave.

    Args:
        blocks: removable ones.
        material: the dense model and, for criteria that need them, training images.
        criterion: a name in `BLOCK_CRITERIA`.
        num: how many.
        progress: told after each batch of images.

    Raises:
        PruneError: an unknown criterion, or one that needs training images without any.
    """
    if criterion not in BLOCK_CRITERIA:
        raise PruneError(
            f"block criterion {criterion!r} is not known", advice=f"take one of {', '.join(BLOCK_CRITERIA)}"
        )
    chosen = BLOCK_CRITERIA[criterion]
    if not chosen.needs_images:
        probe = Probe(material, blocks, num_images=0)
        order = np.argsort(chosen.score(blocks, (), probe), kind="stable")
        return tuple(blocks[number] for number in order[:num])
    if material.train is None or material.classifier is None:
        raise PruneError(
            f"block criterion {criterion} needs training images and their normalisation",
            advice="add --data with training images and --preprocess, or take l1",
        )
    probe = Probe(material, blocks, num_images=chosen.num_images)
    left = list(blocks)
    gone: list[Block] = []
    passes = sum(len(blocks) - step if chosen.tries_each else 1 for step in range(num))
    with progress.stage("choose blocks", total=passes * probe.num_batches, unit="run") as step:
        probe.advance = step.advance
        while len(gone) < num:
            scores = chosen.score(left, gone, probe)
            gone.append(left.pop(int(np.argmin(scores))))
    return tuple(gone)
