"""The certificate: what the battery found out about one model file. A record; standard library and pydantic only.

`result` is everything that is judged and is byte-identical for equal inputs; `run` is how this run went.
"""

from dataclasses import dataclass, field, replace
from typing import Final, Literal

from compressor.attacks.threat import Threat, parse_threat
from compressor.certify.corruption_result import CorruptionResult
from compressor.certify.proof_result import ProofResult
from compressor.files import canonical_json, sha256_of_bytes
from compressor.records import LATER, Count, Level, strict, to_plain
from compressor.types import Interval

SCHEMA: Final = "compress.certificate/1"


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """The network that was attacked."""

    sha256: str
    """Digest of the checkpoint file (or, for a model in memory, of its state dict)."""
    architecture: str
    """As `--arch` writes it, for example `cifar:resnet20`."""
    params: Count
    """Number of parameters."""
    macs: Count
    """Multiply-adds of one forward pass of one image."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """The file the certificate is about."""

    kind: str
    """`onnx` or `torch`. A `torch` one cannot release a bundle."""
    sha256: str
    """Digest of that file."""
    precision: str | None = field(default=None, metadata=LATER)
    """`fp16` or `int8` where the file computes so; None: float32, as torch does."""
    takes_frames: bool | None = field(default=None, metadata=LATER)
    """True where the file takes raw frames, so that each value of an image is rounded to a byte before it."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """The images that were used."""

    spec: str
    sha256: str
    """Over the ordered (name, label, digest) of the images used."""
    split: str
    """Always `test` in a certificate that can release."""
    num_images: Count
    roles_used: tuple[str, ...]
    duplicates_with_train: Count
    """Test images used that are byte-equal to a training image."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class ClassResult:
    """One class. Recall and robust share are None where it has no image."""

    label: str
    num: Count
    recall: float | None
    robust: float | None
    """Robust share under the first threat; None without a threat."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Images whose top probability falls in [low, high)."""

    low: float
    high: float
    num: Count
    confidence: float | None
    accuracy: float | None


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How far probabilities can be believed (Guo et al., arXiv 1706.04599)."""

    ece: float
    """Expected calibration error over equal-width bins, in [0, 1]."""
    nll: float
    """Mean negative log-likelihood, in nats."""
    bins: tuple[CalibrationBin, ...]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class AttackResult:
    """One attack of the battery on one threat."""

    name: str
    settings: dict[str, str | int | float | bool]
    num_attempted: Count
    """Images still standing when it began."""
    num_broken: Count
    """Of those, how many it broke."""


FLAGS = (
    "logits", "deterministic", "gradients", "unbounded", "noise", "steps", "black-box", "transfer", "monotone",
)  # fmt: skip
"""Ids of the checks that can raise a flag."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A sign that the attacks may have been fooled. Makes the verdict undecided."""

    id: str
    measured: str
    advice: str


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the `full` battery found on random survivors of the weaker one."""

    num_audited: Count
    num_broken: Count
    interval: Interval


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class ThreatResult:
    """Robust accuracy under one threat: share of all images right and still right under every attack."""

    norm: str
    epsilon: str
    """Exact, as in the threat: `8/255`, `1/2`."""
    battery: str
    battery_sha256: str
    """Digest of the battery's attacks and settings at this threat."""
    robust_accuracy: float
    interval: Interval
    confidence: Level
    interval_method: str
    decided_after: Count | None
    """Images looked at when the sequential test decided; None when all were planned beforehand."""
    num_forward: Count
    """Image-forwards spent, this threat."""
    num_backward: Count
    attacks: tuple[AttackResult, ...]
    flags: tuple[Flag, ...]
    audit: Audit | None
    proved_accuracy: float | None
    """Share of all images that are right and proved to stay right; None where not asked for, or out of reach."""
    proof: ProofResult | None = field(default=None, metadata=LATER)
    """How that was proved, or why not; left out where not asked for."""

    @property
    def threat(self) -> Threat:
        """The norm and the exact epsilon."""
        return parse_threat(f"{self.norm}:{self.epsilon}")

    def audit_words(self) -> str:
        """Return what the audit found, as the measured gap between this battery and `full`; there must be one."""
        audit = self.audit
        assert audit is not None
        share, (low, high) = audit.num_broken / audit.num_audited, audit.interval
        gap = 100 * share * self.robust_accuracy
        return (
            f"the battery full broke {audit.num_broken} of {audit.num_audited} random survivors, {share:.1%} "
            f"[{low:.1%}, {high:.1%}], a measured gap of about {gap:.1f} points of robust accuracy"
        )


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """Accuracy under an attack at one epsilon."""

    norm: str
    epsilon: str
    accuracy: float


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class PairedResult:
    """Dense and slim on the same images under one threat. Difference = dense - slim, in [-1, 1]."""

    norm: str
    epsilon: str
    both: Count
    only_dense: Count
    only_slim: Count
    neither: Count
    difference: float
    interval: Interval


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class PairedAccuracy:
    """Dense and slim on the same clean images. Difference = dense - slim, in [-1, 1]."""

    both: Count
    only_dense: Count
    only_slim: Count
    neither: Count
    difference: float
    interval: Interval


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The model as delivered, on the same images."""

    sha256: str
    clean_accuracy: float
    clean: PairedAccuracy
    """Dense against slim on the clean images."""
    agreement: float
    """Share of clean images on which both give the same answer."""
    transfer: float | None
    """Share of images right on slim that stay right when the dense model's adversarial images are replayed on it."""
    per_class: tuple[ClassResult, ...]
    calibration: Calibration
    threats: tuple[PairedResult, ...]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """That this model was chosen among others, and on which images."""

    num_candidates: Count
    """How many were tried, this one among them."""
    role: str
    """Of the images that they were judged on: `select`."""
    num_tested_before: Count | None = None
    """Earlier winners of the same search that met the test images, if there were any."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Everything that is judged."""

    model: ModelFacts
    artefact: Artefact
    data: DataFacts
    clean_accuracy: float
    """Share of the images that the artefact answers right, in [0, 1]."""
    clean_interval: Interval
    confidence: Level
    """Of every interval in this record."""
    interval_method: str
    """`clopper-pearson`, or `confidence-sequence` when the sequential test was on."""
    per_class: tuple[ClassResult, ...]
    calibration: Calibration
    threats: tuple[ThreatResult, ...]
    curve: tuple[CurvePoint, ...]
    corruptions: CorruptionResult | None
    """None where none were asked for."""
    baseline: Baseline | None
    claim: str
    """What this certificate claims and what it does not, one paragraph."""
    seed: int
    searched: Searched | None = field(default=None, metadata=LATER)
    """Left out where nothing was searched for."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How this run went; not judged."""

    seconds: float
    host: dict[str, str | int]
    versions: dict[str, str]
    processes: Count
    batch_size: Count
    """Images in flight at the end: halved each time that memory ran out."""
    threads: Count
    commands: tuple[str, ...] | None = field(default=None, metadata=LATER)
    """What was typed to make this; None where the library was called."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """`certificate.json`."""

    schema: Literal["compress.certificate/1"]
    created: str
    tool_version: str
    result: Result
    run: Run
    result_sha256: str


def with_commands(certificate: Certificate, commands: tuple[str, ...]) -> Certificate:
    """Return the certificate with what was typed to make it; nothing that is judged changes."""
    return replace(certificate, run=replace(certificate.run, commands=commands or None))


def digest_of_result(result: Result) -> str:
    """Return the sha256 over the canonical JSON of `result`."""
    return sha256_of_bytes(canonical_json(to_plain(result)))
