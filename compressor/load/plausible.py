"""Is this set-up right? Before any work with data, the dense model must answer better than chance.

A wrong mean, a shuffled class order or swapped channels do not raise: they make every later number wrong.
"""

from dataclasses import replace

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from compressor.data import Data, ImageSet
from compressor.data.images import stratified
from compressor.data.preprocess import Preprocess, parse_preprocess
from compressor.errors import DataError
from compressor.evaluate import logits_of
from compressor.load.checkpoint import Checkpoint

NUM_PROBES = 500
ABOVE_CHANCE = 0.1
"""Near chance means: less than a tenth of the way from chance to perfect."""
PRESETS = ("imagenet", "cifar10", "none", "mean=0.5,0.5,0.5;std=0.5,0.5,0.5")


def check_labels(checkpoint: Checkpoint, data: Data) -> None:
    """Refuse data whose labels the model cannot give.

    Raises:
        DataError: the data has more classes than the model.
    """
    for images in (data.train, data.select, data.test):
        if images is not None and len(images) and int(images.labels.max()) >= checkpoint.num_classes:
            raise DataError(
                f"{data.spec} has label {int(images.labels.max())}, but the model knows {checkpoint.num_classes} "
                f"classes (0 to {checkpoint.num_classes - 1})",
                advice="use the data the model was trained for, or give --num-classes with a matching checkpoint",
            )


def take_class_names(checkpoint: Checkpoint, data: Data) -> tuple[Checkpoint, tuple[str, ...]]:
    """Take class names from the data where neither the file nor an option says them; compare them otherwise.

    Args:
        checkpoint: whose names, if any, come first.
        data: its names are numbers where its source has none, and those name nothing.

    Returns:
        The checkpoint with names, and what a person should know about them.

    Raises:
        DataError: both have the same names in another order, so that every label would be wrong.
    """
    said, found = checkpoint.labels, data.class_names
    nameless = found == tuple(str(number) for number in range(len(found)))
    if len(found) != checkpoint.num_classes:
        told = f"{data.spec} names {len(found)} classes, the model knows {checkpoint.num_classes}: label 0 is class 0"
        return checkpoint, () if nameless else (told,)
    if said is None:
        return replace(checkpoint, labels=found), ()
    if nameless or said == found:
        return checkpoint, ()
    number = next(number for number, pair in enumerate(zip(said, found, strict=True)) if pair[0] != pair[1])
    differ = f"class {number} is {said[number]!r} for the model and {found[number]!r} in {data.spec}"
    if sorted(said) == sorted(found):
        raise DataError(
            f"the classes have another order: {differ}",
            advice="give the data in the model's order, or leave --labels out if it is the list that is wrong",
        )
    return checkpoint, (f"{differ}: the model's names are kept",)


def check_plausible(
    checkpoint: Checkpoint,
    images: ImageSet,
    *,
    expect_accuracy: float | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> float:
    """Measure the model on a sample and refuse to go on when it is near chance or below what is expected.

    Args:
        checkpoint: the dense model, with its preprocessing.
        images: select images; a stratified sample of 500 is used.
        expect_accuracy: in [0, 1]; makes the check strict.
        seed: of the sample.
        device: where to compute.

    Returns:
        The accuracy on the sample, in [0, 1].

    Raises:
        DataError: names the likely causes in order, and what each alternative would score.
    """
    sample = stratified(images, NUM_PROBES, seed=seed)
    pixels = sample.read(range(len(sample)))
    labels = np.asarray(sample.labels)
    accuracy = _accuracy(_answers(checkpoint, pixels, device), labels)
    chance = 1.0 / checkpoint.num_classes
    threshold = chance + ABOVE_CHANCE * (1.0 - chance)
    if accuracy >= max(threshold, expect_accuracy or 0.0):
        return accuracy
    found = f"the dense model answers {accuracy:.1%} of {len(sample)} {sample.role} images right"
    why = (
        f"{found}, which is near chance ({chance:.1%})"
        if accuracy < threshold
        else f"{found}; --expect-accuracy demands {expect_accuracy:.1%}"
    )
    raise DataError(why, advice=_likely_causes(checkpoint, pixels, labels, device))


def _likely_causes(checkpoint: Checkpoint, pixels: torch.Tensor, labels: np.ndarray, device: str) -> str:
    """Try each alternative and write down what it would score, likeliest cause first."""
    channels = pixels.shape[1]
    trials = []
    for text in PRESETS:
        preset = parse_preprocess(text)
        if len(preset.mean) in (0, channels) and not _same_scaling(preset, checkpoint.preprocess):
            trials.append((text, replace(checkpoint, preprocess=preset)))
    scores = [
        f"--preprocess '{text}' {_accuracy(_answers(other, pixels, device), labels):.1%}" for text, other in trials
    ]
    causes = [f"mean/std ({', '.join(scores)})" if scores else "mean/std"]
    causes.append(f"class order (best order {_best_order(_answers(checkpoint, pixels, device), labels):.1%})")
    if channels == 3:
        swapped = _accuracy(_answers(checkpoint, pixels.flip(1), device), labels)
        causes.append(f"RGB/BGR (swapped {swapped:.1%})")
    causes.append(f"size (--input-size is {pixels.shape[2]}x{pixels.shape[3]})")
    causes.append(f"architecture (--arch is {checkpoint.architecture})")
    return "check, likeliest first: " + "; ".join(causes)


def _same_scaling(one: Preprocess, other: Preprocess | None) -> bool:
    return other is not None and (one.mean, one.std) == (other.mean, other.std)


def _answers(checkpoint: Checkpoint, pixels: torch.Tensor, device: str) -> np.ndarray:
    logits = logits_of(checkpoint.classifier(), pixels, device=torch.device(device))
    return logits.argmax(dim=1).numpy()


def _accuracy(answers: np.ndarray, labels: np.ndarray) -> float:
    return float((answers == labels).mean())


def _best_order(answers: np.ndarray, labels: np.ndarray) -> float:
    """Return the accuracy under the renaming of answers that fits best (an assignment problem)."""
    num = int(max(answers.max(), labels.max())) + 1
    counts = np.zeros((num, num), dtype=np.int64)
    np.add.at(counts, (answers, labels), 1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(counts[rows, columns].sum() / len(labels))
