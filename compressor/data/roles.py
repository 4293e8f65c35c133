"""Who plays which role: validation images become select or test, and select may have to come out of train."""

from dataclasses import replace

import numpy as np

from compressor.data.images import Data, ImageSet, stratified
from compressor.data.splits import Splits
from compressor.errors import DataError

SELECT_FRACTION = 0.1
SELECT_LIMIT = 5_000
"""Select is this share of the training images, and never more images than that."""


def assign_roles(splits: Splits, *, spec: str, seed: int) -> Data:
    """Give each set its role.

    Validation images are for selection if there are test images too, and otherwise are the test images. Without
    images for selection, a seeded stratified share of the training images is taken out of train for it. Test images
    are never used for anything else.

    Args:
        splits: what the source holds.
        spec: the `--data` text.
        seed: of the share that is taken out of train.

    Raises:
        DataError: there is one training image only, so that none can be set aside.
    """
    train, select, test = splits.train, splits.select, splits.test
    notes = list(splits.notes)
    if splits.val is not None and test is None:
        test = splits.val
        notes.append(f"val is used as test ({len(test):,} images): there is no test beside it")
    elif splits.val is not None and select is None:
        select = splits.val
        notes.append(f"select is val ({len(select):,} images)")
    if select is None and train is not None:
        train, select = _set_aside(train, spec=spec, seed=seed)
        notes.append(
            f"select is {len(select):,} of {len(train) + len(select):,} training images, stratified, seed {seed}, "
            "taken out of train: there is no val beside test"
        )
    if train is None:
        notes.append("there are no training images: nothing can be fine-tuned on this data")
    return Data(
        spec=spec,
        class_names=splits.class_names,
        train=replace(train, role="train") if train else None,
        select=replace(select, role="select") if select else None,
        test=replace(test, role="test") if test else None,
        notes=tuple(notes),
    )


def _set_aside(train: ImageSet, *, spec: str, seed: int) -> tuple[ImageSet, ImageSet]:
    if len(train) < 2:
        raise DataError(
            f"--data {spec} holds a single training image, so none can be set aside for selection",
            advice="add training images, or a val/ folder (x_val, y_val) beside test",
        )
    num = min(SELECT_LIMIT, max(1, round(SELECT_FRACTION * len(train))))
    select = stratified(train, num, seed=seed)
    chosen = set(select.names)
    rest = np.flatnonzero([name not in chosen for name in train.names])
    return train.take(rest.tolist()), select
