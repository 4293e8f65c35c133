"""`digits`: the 1,797 handwritten digits inside scikit-learn, 8x8 grey, no download.

Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), the test part of it.
"""

import numpy as np
from sklearn.datasets import load_digits

from compressor.data.arrays import Labelled, splits_of_arrays
from compressor.data.images import ImageSet, stratified
from compressor.data.splits import Splits, Wanted

TEST_SHARE = 0.25
SELECT_SHARE = 0.15


def open_digits(wanted: Wanted) -> Splits:
    """Return 60 % train, 15 % select and 25 % test images, stratified. The split is the same for every seed.

    The pixels are whole numbers from 0 to 16, so their values in [0, 1] are exact in float32.

    Raises:
        DataError: the model takes another size or number of channels.
    """
    images, labels = load_digits(return_X_y=True)
    pixels = (images.reshape(-1, 8, 8, 1) / 16).astype(np.float32)
    parts = [Labelled(split="train", images=pixels, labels=labels)]
    every = splits_of_arrays(parts, class_names=None, wanted=wanted).train
    assert every is not None
    test = stratified(every, round(TEST_SHARE * len(every)), seed=0)
    rest = _without(every, test)
    select = stratified(rest, round(SELECT_SHARE * len(every)), seed=0)
    train = _without(rest, select)
    return Splits(
        class_names=every.class_names,
        train=train,
        select=select,
        test=test,
        notes=(f"digits: a fixed split into {len(train):,} train, {len(select)} select and {len(test)} test images",),
    )


def _without(images: ImageSet, others: ImageSet) -> ImageSet:
    taken = set(others.names)
    return images.take([index for index, name in enumerate(images.names) if name not in taken])
