"""Does the ONNX file answer as the torch model does? Both see the same images, in several batch sizes."""

import sys
from itertools import cycle
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch

from compressor.attacks.fgsm import fgsm
from compressor.attacks.model import AttackedModel
from compressor.attacks.threat import parse_threat
from compressor.data.images import ImageSet
from compressor.errors import DataError, LoadError
from compressor.evaluate import logits_of
from compressor.export.record import SCHEMA, Parity
from compressor.files import sha256_of_bytes
from compressor.load.checkpoint import Checkpoint
from compressor.records import now, tool_version
from compressor.runtime.session import Session, open_session
from compressor.types import Decision, Precision

MAX_REL = MappingProxyType({Precision.FP32: 1e-4, Precision.FP16: 0.01, Precision.INT8: 0.25})
"""Largest difference allowed, as a share of the largest logit.

In float32 rounding alone stays far below: the two add the same products in another order, which costs about the square
root of the number of products times 2^-24 per layer; measured 1e-7 to 2e-6 on CIFAR ResNets, resnet18 and mobilenet_v2.
What is not float32 any more lies above: TF32 and float16 round to 2^-11 = 5e-4. A wrong weight, bias, padding or
epsilon of a batch normalisation lies orders of magnitude above. Measured on twelve torchvision families, float16 is
2e-4 to 8e-4 apart, and int8, with 256 levels for weights and activations, 0.01 to 0.05; a file whose ranges or weights
are wrong misses by as much as the logits are large.
"""

BATCHES = (1, 3, 8)
"""Odd, even, and one: what a dynamic batch must survive."""

NUM_REAL = 256
"""Real images compared, at most, spread evenly over those given."""

NUM_RANDOM = 96
"""Random images compared when there are none: eight rounds of the batch sizes."""

NUM_ADVERSARIAL = 32
"""Adversarial images compared, at most: the first natural ones, each moved one step against torch's own answer."""

STEP = parse_threat("linf:8/255")
"""How far they are moved."""

Array = npt.NDArray[np.float32]


def check_parity(
    checkpoint: Checkpoint,
    onnx: bytes,
    *,
    images: ImageSet | None = None,
    provider: str = "cpu",
    checkpoint_bytes: int = 0,
    max_rel: float | None = None,
    num_images: int = NUM_REAL,
    seed: int = 0,
) -> Parity:
    """Compare a checkpoint in torch on the CPU with its ONNX file on a provider.

    Both see natural images and adversarial ones, which lie where rounding matters most. Passed means: every answer is
    finite, and no difference exceeds `max_rel` of the largest logit. It follows that both answer alike on every image
    whose two largest logits lie further apart than twice that. Closer ones are ties that rounding may tip either way;
    `agreement` counts them all the same, and the gate may demand a minimum of it. A file that takes raw frames is
    compared on images whose values are bytes.

    Args:
        checkpoint: the torch side.
        onnx: the file.
        images: real, labelled images; None: uniform noise in [0, 1], without accuracies.
        provider: `cpu`, `cuda` or `tensorrt`.
        checkpoint_bytes: size of the slim checkpoint file, for the record.
        max_rel: None: what `MAX_REL` allows the file's precision.
        num_images: real images compared, at most.
        seed: of the noise.

    Returns:
        The record with its decision. Disagreement is `failed`, never an exception.

    Raises:
        LoadError: the checkpoint has no preprocessing, or the file is not an ONNX classifier.
        CertifyError: the torch model itself answers NaN, or no logits.
        MachineError: the provider does not load here.
    """
    session = open_session(onnx, provider=provider)
    precision = session.precision
    limit = MAX_REL[precision] if max_rel is None else max_rel
    batches = BATCHES if session.batch is None else (session.batch,)
    probes, labels = _probes(checkpoint.input_shape, images, num_images=num_images, seed=seed)
    probes = session.seen(probes)
    moved = session.seen(_adversarial(checkpoint, probes[:NUM_ADVERSARIAL]))
    both = np.concatenate([probes, moved])
    cpu = torch.device("cpu")
    expected = logits_of(checkpoint.classifier(), torch.from_numpy(both), device=cpu).numpy()
    found = _answers_in_turns(session, both, batches=batches, num_classes=expected.shape[1])
    finite = np.asarray(np.isfinite(found).all(axis=1))
    if finite.all():
        max_abs = float(np.abs(expected.astype(np.float64) - found).max())
        relative = max_abs / max(float(np.abs(expected).max()), sys.float_info.min)
    else:
        max_abs = relative = sys.float_info.max  # JSON has no infinity
    same = np.equal(expected.argmax(axis=1), found.argmax(axis=1)) & finite
    natural = slice(len(probes))
    return Parity(
        schema=SCHEMA,
        created=now(),
        tool_version=tool_version(),
        artefact_sha256=sha256_of_bytes(onnx),
        provider=provider,
        batches=batches,
        num_images=len(probes),
        max_abs=max_abs,
        max_rel=min(relative, sys.float_info.max),
        agreement=float(same[natural].mean()),
        accuracy_torch=None if labels is None else float((expected[natural].argmax(axis=1) == labels).mean()),
        accuracy_onnx=None
        if labels is None
        else float(((found[natural].argmax(axis=1) == labels) & finite[natural]).mean()),
        bytes_model=len(onnx),
        bytes_checkpoint=checkpoint_bytes,
        decision=Decision.PASSED if relative <= limit else Decision.FAILED,
        precision=precision.value,
        num_adversarial=len(moved),
        agreement_adversarial=float(same[len(probes) :].mean()),
    )


def _adversarial(checkpoint: Checkpoint, probes: Array) -> Array:
    """Return each image (n, C, H, W) moved one step in the direction that most lowers its answer (FGSM)."""
    images = torch.from_numpy(probes)
    with AttackedModel(checkpoint.classifier(), shape=checkpoint.input_shape) as model:
        answers = model.logits(images).argmax(dim=1)
        moved: Array = fgsm(model, images, answers, threat=STEP, seeds=torch.arange(len(images))).numpy()
    return moved


def _probes(
    shape: tuple[int, int, int], images: ImageSet | None, *, num_images: int, seed: int
) -> tuple[Array, npt.NDArray[np.int64] | None]:
    """Return the images to compare on and their labels (None for noise)."""
    if images is None or len(images) == 0:
        return np.random.default_rng(seed).random((NUM_RANDOM, *shape), dtype=np.float32), None
    chosen = np.linspace(0, len(images) - 1, min(num_images, len(images))).round().astype(np.int64)
    return images.read(chosen.tolist()).numpy(), images.labels[chosen]


def _answers_in_turns(session: Session, probes: Array, *, batches: tuple[int, ...], num_classes: int) -> Array:
    """Return the file's logits (N, K), in batches whose sizes take turns. What it cannot answer becomes NaN."""
    found = np.full((len(probes), num_classes), np.nan, dtype=np.float32)
    start, sizes = 0, cycle(batches)
    while start < len(probes):
        part = slice(start, start + next(sizes))
        try:
            answers = session.answer(probes[part])
        except (LoadError, DataError):
            return found
        if answers.shape != found[part].shape:
            return found
        found[part] = answers
        start = part.stop
    return found
