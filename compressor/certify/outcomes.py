"""What happened to each image: `outcomes.npz`, from which everyone can recompute the numbers of the certificate.

Arrays, N images, K classes, T threats, A attacks: `schema`, `interval_method`, `confidence`, `dense_sha256` ("" without
a dense model); `names` (N,), `digests` (N,), `labels` (N,), `class_names` (K,); `logits` (N, K) float32 of the shipped
file, `twin_answers` (N,) of the torch model, `dense_logits` (N, K) or (0, K); `threats` (T,) text, `is_claimed` (T,)
bool (no: a point of the curve), `attacks` (T, A) text, `slim_broken` and `dense_broken` (T, N) int16: the index of the
attack that broke the image, -1 for none, -2 for wrong from the start (`dense_broken` is (0, N) without a dense model).
What corruptions did is in arrays of its own, see `corruption_outcome`; so is what was proved, see `proof_outcome`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from compressor.archive import Arrays, npz_bytes, read_npz
from compressor.attacks.threat import parse_threat
from compressor.certify import numbers
from compressor.certify.certificate import Baseline, Certificate
from compressor.certify.corruption_outcome import CorruptionOutcome, read_arrays
from compressor.certify.intervals import IntervalMethod, Intervals
from compressor.certify.proof_outcome import ThreatProof, proof_arrays, read_proofs
from compressor.certify.siege import STANDING, WRONG
from compressor.certify.statistics import calibration
from compressor.data.images import ImageSet, digest_of_images
from compressor.errors import EvidenceError, OptionError
from compressor.records import to_plain

SCHEMA = "compress.outcomes/1"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ThreatOutcome:
    """What one threat did."""

    threat: str
    """`linf:8/255`."""
    is_claimed: bool
    """False: a point of the curve, about which nothing is claimed."""
    attacks: tuple[str, ...]
    """Names, in the order in which they ran."""
    slim: NDArray[np.int16]
    """(N,) index of the attack that broke the image, -1 for none, -2 for wrong from the start."""
    dense: NDArray[np.int16] | None
    """The same for the dense model."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReplayImages:
    """Up to 32 adversarial images per claimed threat: half of them broke the model and half nearly did, if possible."""

    threats: tuple[str, ...]
    """(n,) `linf:8/255`; those of a threat stand together."""
    images: NDArray[np.float32]
    """(n, C, H, W) float32 in [0, 1], exactly as they were given to the file; per threat the most telling first."""
    clean: NDArray[np.float32]
    """(n, C, H, W) float32 in [0, 1], the images they were made from."""
    labels: NDArray[np.int64]
    """(n,) the right answers."""
    twin_answers: NDArray[np.int64]
    """(n,) of the torch model."""
    shipped_answers: NDArray[np.int64]
    """(n,) of the ONNX file; the torch model's again where there is none."""


def _no_images() -> ReplayImages:
    none = np.zeros(0, dtype=np.int64)
    images = np.zeros((0, 0, 0, 0), dtype=np.float32)
    return ReplayImages(threats=(), images=images, clean=images, labels=none, twin_answers=none, shipped_answers=none)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcomes:
    """What happened to each image."""

    names: tuple[str, ...]
    digests: tuple[str, ...]
    """sha256 of each image's stored bytes."""
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    """One per class of the model."""
    logits: NDArray[np.float32]
    """(N, K) of the shipped file; of the torch model where there is none."""
    twin_answers: NDArray[np.int64]
    """(N,) of the torch model that was attacked."""
    dense_logits: NDArray[np.float32] | None
    """(N, K) of the model as delivered."""
    dense_sha256: str | None
    intervals: Intervals
    """Of every number."""
    threats: tuple[ThreatOutcome, ...]
    corruptions: CorruptionOutcome | None = None
    """None where none were asked for."""
    proofs: tuple[ThreatProof, ...] = ()
    """One per claimed threat, where they were asked for."""
    replay: ReplayImages = field(default_factory=_no_images)
    """For the bundle's `replay.npz`; not in `outcomes.npz`, so empty once read back."""

    @property
    def answers(self) -> NDArray[np.int64]:
        """(N,) of the shipped file."""
        answers: NDArray[np.int64] = self.logits.argmax(1)
        return answers

    @property
    def dense_answers(self) -> NDArray[np.int64] | None:
        """(N,) of the model as delivered."""
        return None if self.dense_logits is None else self.dense_logits.argmax(1)

    def to_bytes(self) -> bytes:
        """Return `outcomes.npz`; equal outcomes give equal bytes."""
        longest = max([len(each.attacks) for each in self.threats], default=0)
        attacks = [[*each.attacks, *[""] * (longest - len(each.attacks))] for each in self.threats]
        dense = [each.dense for each in self.threats if each.dense is not None]
        none = np.zeros((0, len(self.labels)), dtype=np.int16)
        return npz_bytes(
            {
                "schema": np.array(SCHEMA),
                "interval_method": np.array(str(self.intervals.method)),
                "confidence": np.array(self.intervals.confidence),
                "dense_sha256": np.array(self.dense_sha256 or ""),
                "names": np.array(self.names, dtype=np.str_),
                "digests": np.array(self.digests, dtype=np.str_),
                "labels": self.labels,
                "class_names": np.array(self.class_names, dtype=np.str_),
                "logits": self.logits,
                "twin_answers": self.twin_answers,
                "dense_logits": self.logits[:0] if self.dense_logits is None else self.dense_logits,
                "threats": np.array([each.threat for each in self.threats], dtype=np.str_),
                "is_claimed": np.array([each.is_claimed for each in self.threats], dtype=np.bool_),
                "attacks": np.array(attacks, dtype=np.str_).reshape(len(self.threats), longest),
                "slim_broken": np.stack([each.slim for each in self.threats]) if self.threats else none,
                "dense_broken": np.stack(dense) if dense else none,
                **({} if self.corruptions is None else self.corruptions.arrays()),
                **proof_arrays(self.proofs),
            }
        )


def read_outcomes(source: Path | bytes) -> Outcomes:
    """Read `outcomes.npz` back. It cannot run code.

    Raises:
        EvidenceError: not such a file, or arrays that do not belong together.
    """
    name = "outcomes.npz" if isinstance(source, bytes) else str(source)
    try:
        outcomes = _outcomes(read_npz(source if isinstance(source, bytes) else source.read_bytes()))
        _check(outcomes)
    except (OSError, ValueError, TypeError, KeyError, IndexError, OptionError) as error:
        raise EvidenceError(
            f"{name} is not a record of outcomes: {error}", advice="write it anew with compress certify"
        ) from error
    return outcomes


def recompute(outcomes: Outcomes) -> numbers.Numbers:
    """Return every number of the certificate that follows from what happened to each image."""
    right, intervals = outcomes.answers == outcomes.labels, outcomes.intervals
    claimed = [each for each in outcomes.threats if each.is_claimed]
    proofs = {each.threat: each for each in outcomes.proofs}
    first = claimed[0].slim if claimed else None
    return numbers.Numbers(
        num_images=len(right),
        data_sha256=_data_sha256(outcomes),
        interval_method=str(intervals.method),
        confidence=intervals.confidence,
        clean_accuracy=float(right.mean()),
        clean_interval=intervals.share(int(right.sum()), len(right)),
        per_class=numbers.class_results(outcomes.labels, right, first, outcomes.class_names),
        calibration=calibration(outcomes.logits, outcomes.labels),
        threats=tuple(
            numbers.threat_numbers(
                parse_threat(each.threat), each.slim, each.attacks, intervals, proofs.get(each.threat)
            )
            for each in claimed
        ),
        curve=tuple(
            numbers.curve_point(parse_threat(each.threat), each.slim)
            for each in outcomes.threats
            if not each.is_claimed
        ),
        corruptions=None if outcomes.corruptions is None else outcomes.corruptions.result(intervals),
        baseline=_baseline(outcomes, claimed),
    )


def contradictions(certificate: Certificate, outcomes: Outcomes) -> tuple[str, ...]:
    """Return one sentence for each number of the certificate that the outcomes do not give; none if all agree."""
    stated = to_plain(numbers.stated_numbers(certificate.result))
    return tuple(numbers.differences("", stated, to_plain(recompute(outcomes))))


def _baseline(outcomes: Outcomes, claimed: list[ThreatOutcome]) -> Baseline | None:
    if outcomes.dense_logits is None or outcomes.dense_sha256 is None:
        return None
    labels, intervals = outcomes.labels, outcomes.intervals
    dense_answers = outcomes.dense_logits.argmax(1)
    dense_right = dense_answers == labels
    first = claimed[0] if claimed else None
    return Baseline(
        sha256=outcomes.dense_sha256,
        clean_accuracy=float(dense_right.mean()),
        clean=intervals.paired(dense_right, outcomes.answers == labels),
        agreement=float((dense_answers == outcomes.answers).mean()),
        transfer=numbers.transfer_share(first.slim, first.attacks) if first else None,
        per_class=numbers.class_results(labels, dense_right, first.dense if first else None, outcomes.class_names),
        calibration=calibration(outcomes.dense_logits, labels),
        threats=tuple(
            numbers.paired_result(parse_threat(each.threat), each.dense, each.slim, intervals)
            for each in claimed
            if each.dense is not None
        ),
    )


def _data_sha256(outcomes: Outcomes) -> str:
    def no_pixels(_: object) -> Tensor:
        raise NotImplementedError("outcomes hold no pixels")

    images = ImageSet(
        role="test",
        labels=outcomes.labels,
        names=outcomes.names,
        class_names=outcomes.class_names,
        shape=(0, 0, 0),
        reader=no_pixels,
        hasher=lambda index: outcomes.digests[index],
    )
    return digest_of_images(images)


def _outcomes(arrays: Arrays) -> Outcomes:
    if str(arrays["schema"]) != SCHEMA:
        raise ValueError(f"it is a {arrays['schema']}, not a {SCHEMA}")
    dense_sha256 = str(arrays["dense_sha256"]) or None
    slim, dense = arrays["slim_broken"].astype(np.int16), arrays["dense_broken"].astype(np.int16)
    threats = tuple(
        ThreatOutcome(
            threat=str(threat),
            is_claimed=bool(arrays["is_claimed"][number]),
            attacks=tuple(str(name) for name in arrays["attacks"][number] if str(name)),
            slim=slim[number],
            dense=dense[number] if len(dense) else None,
        )
        for number, threat in enumerate(arrays["threats"])
    )
    return Outcomes(
        names=_texts(arrays["names"]),
        digests=_texts(arrays["digests"]),
        labels=arrays["labels"].astype(np.int64),
        class_names=_texts(arrays["class_names"]),
        logits=arrays["logits"].astype(np.float32),
        twin_answers=arrays["twin_answers"].astype(np.int64),
        dense_logits=arrays["dense_logits"].astype(np.float32) if dense_sha256 else None,
        dense_sha256=dense_sha256,
        intervals=Intervals(
            method=IntervalMethod(str(arrays["interval_method"])), confidence=float(arrays["confidence"])
        ),
        threats=threats,
        corruptions=read_arrays(arrays, num_images=len(arrays["labels"]), has_dense=dense_sha256 is not None),
        proofs=read_proofs(arrays, num_images=len(arrays["labels"])),
    )


def _texts(values: NDArray[Any]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def _check(outcomes: Outcomes) -> None:
    """Refuse arrays that do not belong together, before anything is computed from them."""
    num = len(outcomes.labels)
    rows = [len(outcomes.names), len(outcomes.digests), len(outcomes.logits), len(outcomes.twin_answers)]
    rows += [len(each.slim) for each in outcomes.threats]
    rows += [len(each.dense) for each in outcomes.threats if each.dense is not None]
    if num == 0 or set(rows) != {num}:
        raise ValueError("its arrays have different lengths, or none")
    num_classes, labels = len(outcomes.class_names), outcomes.labels
    if outcomes.logits.shape != (num, num_classes) or not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError("labels, logits and class names do not fit each other")
    if outcomes.dense_logits is not None and outcomes.dense_logits.shape != outcomes.logits.shape:
        raise ValueError("the dense model's logits do not fit the slim one's")
    if not 0 < outcomes.intervals.confidence < 1:
        raise ValueError("its confidence is not between 0 and 1")
    _check_proofs(outcomes)
    for each in outcomes.threats:
        parse_threat(each.threat)
        for broken in (each.slim, each.dense):
            if broken is not None and not (broken.min() >= WRONG and broken.max() < len(each.attacks)):
                raise ValueError(f"{each.threat} names attacks that it does not list")


def _check_proofs(outcomes: Outcomes) -> None:
    claimed = [each for each in outcomes.threats if each.is_claimed]
    if outcomes.proofs and [each.threat for each in outcomes.proofs] != [each.threat for each in claimed]:
        raise ValueError("its proofs are of other threats")
    for each, proof in zip(claimed, outcomes.proofs, strict=bool(outcomes.proofs)):
        if (proof.proved & (each.slim != STANDING)).any():
            raise ValueError(f"{each.threat}: images that are wrong or broken count as proved")
