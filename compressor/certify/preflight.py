"""Signs that the attacks may have been fooled. A raised flag makes a verdict undecided, never passed.

Sources: checks of AutoAttack (github.com/fra31/auto-attack, flags_doc.md); Carlini et al., arXiv 1902.06705; Tramer et
al., arXiv 2002.08347. An attack that is fooled answers too high an accuracy, and no interval shows it.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compressor.attacks.chunks import fullest_first
from compressor.attacks.losses import Loss, cross_entropy, margin
from compressor.attacks.margin import margin_cascade
from compressor.attacks.model import AttackedModel, num_slots
from compressor.attacks.noise import noise
from compressor.attacks.pgd import pgd
from compressor.attacks.threat import Threat
from compressor.certify.battery import TRANSFER
from compressor.certify.certificate import Flag
from compressor.certify.siege import Ground, Siege
from compressor.certify.twins import Reply, Twins
from compressor.types import Norm

NUM_PROBES = 100
"""Images that the checks look at."""

RANDOM_TOLERANCE = 1e-4
"""Largest difference of repeated logits, relative to the largest logit."""

NUM_REPEATS = 5
FLAT = 1e-6
"""Of the loss: a gradient by which changing every pixel over its whole range moves it by less says nothing."""

MAX_FLAT_MARGIN = 0.01
"""Share of images that may have no gradient of the margin at all."""

MAX_FLAT_CROSS_ENTROPY = 0.1
"""The same for the cross-entropy, which vanishes where answers are very confident."""

MAX_SHARE_BETTER = 0.002
"""Share of all images by which something weak may beat the attacks that use gradients, as in AutoAttack; and by which
accuracy may rise with epsilon."""

MIN_IMAGES = 2
"""One image is not a sign."""

MAX_SHARE_WEAKER = 0.05
"""Share of the images looked at by which an attack of twice the steps may be the weaker one."""

MIN_BY_NOISE = 5
"""Images next to a wrong answer fall to anything; only more than these say something about the attacks."""

NUM_STEPS = 5
UNBOUNDED = Threat(norm=Norm.LINF, epsilon=Fraction(1))
STRONGER = "use a stronger battery (--battery full), or an attack made for this architecture"


def check_answers(reply: Reply, repeats: Sequence[Reply]) -> Iterator[Flag]:
    """Yield flags on what the model answers to clean images.

    Args:
        reply: answers to all images.
        repeats: answers to the same few images again and again.
    """
    logits = reply.twin
    if np.all((logits >= 0) & (logits <= 1)) and np.allclose(logits.sum(1), 1.0, atol=1e-3):
        yield Flag(
            id="logits",
            measured="the model answers with probabilities (rows in [0, 1] that sum to 1)",
            advice="remove the softmax at the end: it hides gradients",
        )
    largest = max(float(np.abs(repeats[0].twin).max()), float(np.abs(repeats[0].shipped).max()), 1e-30)
    moved = max(
        max(float(np.abs(each.twin - repeats[0].twin).max()), float(np.abs(each.shipped - repeats[0].shipped).max()))
        for each in repeats
    )
    if not moved <= RANDOM_TOLERANCE * largest:
        yield Flag(
            id="deterministic",
            measured="the same images get other answers each time: logits move by "
            f"{moved / largest:.1%} of the largest",
            advice="switch off what is random in its forward pass (dropout, noise)",
        )


def check_gradients(model: AttackedModel, images: Tensor, labels: Tensor, seeds: Tensor) -> Iterator[Flag]:
    """Yield a flag where input gradients are zero or next to it, so that attacks do not know where to go."""
    flat = {
        name: _flat_share(model, images, labels, seeds, loss)
        for name, loss in (("margin", margin), ("cross-entropy", cross_entropy))
    }
    if flat["margin"] > MAX_FLAT_MARGIN or flat["cross-entropy"] > MAX_FLAT_CROSS_ENTROPY:
        yield Flag(
            id="gradients",
            measured=f"no input gradient on {flat['margin']:.0%} (margin) and {flat['cross-entropy']:.0%} "
            f"(cross-entropy) of {len(images)} images",
            advice="attack a twin without rounding, hard thresholds or saturated outputs, and replay on the file",
        )


def _flat_share(model: AttackedModel, images: Tensor, labels: Tensor, seeds: Tensor, loss: Loss) -> float:
    _, losses, gradient = model.loss_and_gradient(images, loss, labels, seeds=seeds)
    return float((gradient.flatten(1).abs().sum(1) <= FLAT * losses.abs()).float().mean())


def check_unbounded(model: AttackedModel, images: Tensor, labels: Tensor, seeds: Tensor) -> Iterator[Flag]:
    """Yield a flag where images survive an attack that may change every pixel at will."""
    found = pgd(
        model,
        images,
        labels,
        threat=UNBOUNDED,
        seeds=seeds,
        loss="margin",
        num_steps=20,
        step_size=0.1,
        random_start=False,
    )
    stands = model.logits(found, seeds).argmax(1) == labels
    num = int(stands.sum())
    if num:
        images, labels, seeds = images[stands], labels[stands], seeds[stands]
        found = margin_cascade(model, images, labels, threat=UNBOUNDED, seeds=seeds)
        num = int((model.logits(found, seeds).argmax(1) == labels).sum())
    num_classes = model.logits(images[:1], seeds[:1]).shape[1]
    total = len(stands)
    if num > total / num_classes and num >= MIN_IMAGES:
        yield Flag(
            id="unbounded",
            measured=f"{num} of {total} images survive an attack that may change every pixel at will",
            advice="the gradients mislead: attack a twin without rounding or randomness",
        )


def check_noise(siege: Siege, twins: Twins, probes: NDArray[np.int64]) -> Iterator[Flag]:
    """Yield a flag where random noise breaks nearly as many images as the attacks that use gradients do.

    Args:
        siege: finished.
        twins: the model.
        probes: indices of some images that are answered right.
    """
    ground, model = siege.ground, twins.model
    images = ground.images.read(probes.tolist()).to(model.device)
    labels = torch.from_numpy(ground.images.labels[probes]).to(model.device)
    seeds = torch.from_numpy(ground.seeds[probes]).to(model.device)
    before = model.num_forward
    noisy = noise(model, images, labels, threat=siege.threat, seeds=seeds)
    wrong = ~twins.answer(noisy, ground.seeds[probes]).right(ground.images.labels[probes])
    siege.num_forward += model.num_forward - before
    by_noise, by_search = int(wrong.sum()), int(_found_by_search(siege)[probes].sum())
    survivors = int(siege.stands[probes].sum())
    if survivors and by_noise >= max(MIN_BY_NOISE, 0.9 * by_search):
        yield Flag(
            id="noise",
            measured=f"random noise breaks {by_noise} of {len(probes)} images, attacks with gradients {by_search}",
            advice=STRONGER,
        )


def check_steps(siege: Siege, twins: Twins, probes: NDArray[np.int64]) -> Iterator[Flag]:
    """Yield a flag where the same attack breaks fewer images with twice the steps: then steps lead nowhere.

    Its steps grow shorter towards its end, so that the longer attack does not begin with the shorter one.

    Args:
        siege: finished.
        twins: the model.
        probes: indices of some images that are answered right.
    """
    ground, model = siege.ground, twins.model
    before = model.num_forward, model.num_backward
    images = ground.images.read(probes.tolist()).to(model.device)
    labels = torch.from_numpy(ground.images.labels[probes]).to(model.device)
    seeds = torch.from_numpy(ground.seeds[probes]).to(model.device)
    stands = []
    for num_steps in (NUM_STEPS, 2 * NUM_STEPS):
        found = margin_cascade(
            model, images, labels, threat=siege.threat, seeds=seeds, num_steps=num_steps, num_targets=0
        )
        stands.append(int((model.logits(found, seeds).argmax(1) == labels).sum()))
    siege.num_forward += model.num_forward - before[0]
    siege.num_backward += model.num_backward - before[1]
    few, many = stands
    if many - few >= max(MIN_IMAGES, MAX_SHARE_WEAKER * len(probes)):
        yield Flag(
            id="steps",
            measured=f"{few} of {len(probes)} images stand after an attack of {NUM_STEPS} steps, and {many} after one "
            "of twice as many",
            advice=f"the gradients lead astray: {STRONGER}",
        )


def check_black_box(siege: Siege) -> Iterator[Flag]:
    """Yield a flag where attacks without gradients break what those with gradients left."""
    gradient = [number for number, attack in enumerate(siege.attacks) if attack.has_gradient]
    late = [
        number
        for number, attack in enumerate(siege.attacks)
        if gradient and number > gradient[0] and not attack.has_gradient and attack.name != TRANSFER
    ]
    num, total = int(np.isin(siege.broken_by, late).sum()), len(siege.broken_by)
    if num >= MIN_IMAGES and num > MAX_SHARE_BETTER * total:
        names = ", ".join(dict.fromkeys(siege.attacks[number].name for number in late))
        yield Flag(
            id="black-box",
            measured=f"{names} broke {num} of {total} images that gradients had left",
            advice=f"gradients may mislead: {STRONGER}",
        )


def check_transfer(siege: Siege, twins: Twins) -> Iterator[Flag]:
    """Yield a flag where the dense model's adversarial images break what a direct attack does not.

    Such images were broken before any direct attack saw them, so up to a hundred of them are attacked anew.
    """
    names = [attack.name for attack in siege.attacks]
    if TRANSFER not in names:
        return
    ground, model = siege.ground, twins.model
    fallen = _some(ground, np.flatnonzero(siege.broken_by == names.index(TRANSFER)))
    if not len(fallen):
        return
    before = model.num_forward, model.num_backward
    labels = ground.images.labels[fallen]
    found = margin_cascade(
        model,
        ground.images.read(fallen.tolist()).to(model.device),
        torch.from_numpy(labels).to(model.device),
        threat=siege.threat,
        seeds=torch.from_numpy(ground.seeds[fallen]).to(model.device),
    )
    num = int(twins.answer(found, ground.seeds[fallen]).right(labels).sum())
    siege.num_forward += model.num_forward - before[0]
    siege.num_backward += model.num_backward - before[1]
    if num >= MIN_IMAGES and num > MAX_SHARE_BETTER * len(fallen):
        yield Flag(
            id="transfer",
            measured=f"{num} of {len(fallen)} images that fell to the dense model's adversarial images resist a direct "
            "attack",
            advice=f"gradients of the slim model may mislead: {STRONGER}",
        )


def check_monotone(siege: Siege, smaller: Sequence[Siege]) -> Iterator[Flag]:
    """Yield a flag where accuracy is higher than at a smaller epsilon of the same norm."""
    accuracy = float(siege.stands.mean())
    for other in smaller:
        rise = accuracy - float(other.stands.mean())
        if rise > MAX_SHARE_BETTER and rise * len(siege.stands) >= MIN_IMAGES - 0.5:
            yield Flag(
                id="monotone",
                measured=f"accuracy is {rise:.1%} higher than at the smaller epsilon {other.threat.epsilon}",
                advice=f"the attack fails at large epsilons: {STRONGER}",
            )
            return


def probes_of(ground: Ground) -> NDArray[np.int64]:
    """Return the indices of the images that the checks look at, ascending: some of those that are answered right."""
    return _some(ground, np.flatnonzero(ground.is_right))


def repeated(twins: Twins, ground: Ground) -> list[Reply]:
    """Return answers to the same images, again and again; they need not be right."""
    rows = _some(ground, np.arange(len(ground.images)))
    images = ground.images.read(rows.tolist())
    return [twins.answer(images, ground.seeds[rows]) for _ in range(NUM_REPEATS)]


def _some(ground: Ground, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return at most `NUM_PROBES` of some images, ascending: the lowest seeds, as many of each slot as can be.

    Data folders are in class order, so the first ones would be of one or two classes. Seeds come from the images'
    bytes, and images spread over the slots fill chunks (see `attacks.chunks`).
    """
    by_seed = rows[np.argsort(ground.seeds[rows], kind="stable")]
    spread = fullest_first(by_seed, ground.seeds[by_seed], num_slots(ground.images.shape))
    return np.sort(spread[:NUM_PROBES])


def _found_by_search(siege: Siege) -> NDArray[np.bool_]:
    """Return which images fell to attacks that use gradients, of this model or (replayed) of the dense one: (N,)."""
    search = [number for number, attack in enumerate(siege.attacks) if attack.has_gradient or attack.name == TRANSFER]
    fallen: NDArray[np.bool_] = np.isin(siege.broken_by, search)
    return fallen
