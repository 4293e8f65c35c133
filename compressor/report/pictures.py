"""What the arrays of a bundle add to its report. Needs numpy, so whoever has none leaves it out."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from compressor.bundle.replay_images import Replay, as_input
from compressor.report.facts import Sample
from compressor.report.png import png

MAX_BYTES = 1_500_000
"""Room for pictures in one page; in text they take a third more."""

Image = npt.NDArray[np.float32]


def samples(replay: Replay, labels: Sequence[str], *, max_bytes: int = MAX_BYTES) -> tuple[Sample, ...]:
    """Return the images of `replay.npz` that broke the file by most, as pictures.

    Args:
        replay: with the clean images of those to show; without them there is nothing to return.
        labels: names of the classes, in the order of the logits.
        max_bytes: room for all pictures together; images beyond it are left out.
    """
    found: list[Sample] = []
    clean = as_input(replay.clean_images)
    for place, row in enumerate(replay.clean_rows):
        perturbed = as_input(replay.adversarial_images[row : row + 1])[0]
        sample = _sample(
            np.asarray(clean[place], dtype=np.float32),
            np.asarray(perturbed, dtype=np.float32),
            threat=replay.adversarial_threats[row],
            answers=[
                _name(labels, int(answer))
                for answer in (
                    replay.adversarial_labels[row],
                    replay.clean_logits[place].argmax(),
                    replay.adversarial_logits[row].argmax(),
                )
            ],
        )
        max_bytes -= len(sample.clean) + len(sample.perturbed) + len(sample.difference)
        if max_bytes < 0:
            break
        found.append(sample)
    return tuple(found)


def _sample(clean: Image, perturbed: Image, *, threat: str, answers: Sequence[str]) -> Sample:
    difference = perturbed - clean
    largest = float(np.abs(difference).max())
    gain = 0.5 / largest if largest > 0 else 1.0
    label, clean_answer, answer = answers
    return Sample(
        threat=threat,
        label=label,
        clean_answer=clean_answer,
        answer=answer,
        clean=picture(clean),
        perturbed=picture(perturbed),
        difference=picture(0.5 + gain * difference),
        gain=gain,
        height=clean.shape[1],
        width=clean.shape[2],
    )


def picture(image: Image) -> bytes:
    """Return an image as PNG.

    Args:
        image: (C, H, W), values outside of [0, 1] are cut off. Of three channels or more the first three are shown as
            colours, else the first one as grey.
    """
    shown = image[:3] if len(image) >= 3 else image[:1]
    pixels = np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    return png(pixels.tobytes(), height=image.shape[1], width=image.shape[2])


def _name(labels: Sequence[str], answer: int) -> str:
    return labels[answer] if 0 <= answer < len(labels) else str(answer)
