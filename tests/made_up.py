"""Made-up records for the tests of gate and report: a small ten-class model, dense and slim."""

from dataclasses import replace
from typing import Any

from compressor.bench.record import SCHEMA as LATENCY_SCHEMA
from compressor.bench.record import Against, Latency, LatencyRow
from compressor.certify.certificate import SCHEMA as CERTIFICATE_SCHEMA
from compressor.certify.certificate import (
    Artefact,
    AttackResult,
    Baseline,
    Calibration,
    CalibrationBin,
    Certificate,
    ClassResult,
    CurvePoint,
    DataFacts,
    Flag,
    ModelFacts,
    PairedAccuracy,
    PairedResult,
    Result,
    Run,
    ThreatResult,
    digest_of_result,
)
from compressor.certify.corruption_result import (
    CorruptionBaseline,
    CorruptionResult,
    CorruptionRow,
    SkippedCorruption,
    WorstCaseRow,
)
from compressor.certify.proof_result import MarginFall, ProofResult, Smoothing
from compressor.export.record import SCHEMA as PARITY_SCHEMA
from compressor.export.record import Parity

ONNX = "a1" * 32
"""Digest of the made-up model.onnx."""

CREATED = "2026-08-20T12:00:00+00:00"
LATER = "2026-08-25T12:00:00+00:00"
"""Five days later, when it is judged."""

FLAG = Flag(id="vanishing-gradients", measured="31 % of gradients are zero", advice="run the full battery")


def threat_result(epsilon: str = "2/255", **changes: Any) -> ThreatResult:
    """Return 41.2 % of 1,000 images at linf:2/255."""
    made = ThreatResult(
        norm="linf",
        epsilon=epsilon,
        battery="standard",
        battery_sha256="b2" * 32,
        robust_accuracy=0.412,
        interval=(0.381, 0.443),
        confidence=0.95,
        interval_method="clopper-pearson",
        decided_after=None,
        num_forward=181_000,
        num_backward=90_500,
        attacks=(
            AttackResult(name="fgsm", settings={"steps": 1}, num_attempted=851, num_broken=352),
            AttackResult(name="apgd-ce", settings={"steps": 100, "rho": 0.75}, num_attempted=499, num_broken=71),
            AttackResult(name="square", settings={"queries": 500}, num_attempted=428, num_broken=16),
        ),
        flags=(),
        audit=None,
        proved_accuracy=None,
    )
    return replace(made, **changes)


def proof(**changes: Any) -> ProofResult:
    """Return 30.1 % proved, margins that fall by half a logit, and a smoothed model right on 48 of 100 images."""
    made = ProofResult(
        method="alpha-crown",
        num_proved=301,
        interval=(0.273, 0.331),
        out_of_reach=None,
        margin_fall=MarginFall(num_images=860, median=0.31, p90=0.5, out_of_reach=None),
        smoothing=Smoothing(
            sigma="1/2",
            num_choosing=100,
            num_draws=1000,
            alpha=0.001,
            num_images=100,
            num_abstained=7,
            certified_accuracy=0.48,
            interval=(0.379, 0.582),
        ),
    )
    return replace(made, **changes)


def paired(epsilon: str = "2/255", **changes: Any) -> PairedResult:
    """Return 43.0 % of dense against 41.2 % of slim: 1.8 points apart, [0.2, 3.4]."""
    made = PairedResult(
        norm="linf",
        epsilon=epsilon,
        both=386,
        only_dense=44,
        only_slim=26,
        neither=544,
        difference=0.018,
        interval=(0.002, 0.034),
    )
    return replace(made, **changes)


def classes(
    recalls: tuple[float, ...] = (0.9, 0.86, 0.78, 0.7, 0.84, 0.8, 0.9, 0.88, 0.93, 0.92),
) -> tuple[ClassResult, ...]:
    """Return ten classes of 100 images."""
    names = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "<b>truck</b>")
    return tuple(
        ClassResult(label=name, num=100, recall=recall, robust=round(recall / 2, 3))
        for name, recall in zip(names, recalls, strict=True)
    )


def bin_(low: float, num: int, confidence: float | None = None, accuracy: float | None = None) -> CalibrationBin:
    """Return a bin a tenth wide."""
    return CalibrationBin(low=low, high=round(low + 0.1, 1), num=num, confidence=confidence, accuracy=accuracy)


def baseline(**changes: Any) -> Baseline:
    """Return the dense model: 86.0 % on clean images."""
    made = Baseline(
        sha256="d4" * 32,
        clean_accuracy=0.86,
        clean=PairedAccuracy(
            both=835, only_dense=25, only_slim=16, neither=124, difference=0.009, interval=(-0.003, 0.022)
        ),
        agreement=0.93,
        transfer=0.62,
        per_class=classes((0.91, 0.87, 0.8, 0.74, 0.84, 0.81, 0.9, 0.89, 0.93, 0.91)),
        calibration=Calibration(ece=0.03, nll=0.44, bins=(bin_(0.4, 100, 0.42, 0.35), bin_(0.9, 900, 0.96, 0.93))),
        threats=(paired("1/255", both=600, only_dense=40, only_slim=20, neither=340, difference=0.02), paired()),
    )
    return replace(made, **changes)


def corruptions(**changes: Any) -> CorruptionResult:
    """Return 65 % over two corruptions at two severities, frost skipped, and two worst cases."""
    cells = (("snow", 1, 0.9, 0.95), ("snow", 2, 0.7, 0.75), ("fog", 1, 0.6, 0.7), ("fog", 2, 0.4, 0.5))
    made = CorruptionResult(
        source="computed",
        source_sha256=None,
        num_images=1000,
        mean_accuracy=0.65,
        mean_interval=(0.63, 0.67),
        interval_method="normal",
        rows=tuple(
            CorruptionRow(name=name, severity=severity, settings={}, accuracy=accuracy, dense_accuracy=dense)
            for name, severity, accuracy, dense in cells
        ),
        worst_case=(
            WorstCaseRow(
                name="occlusion",
                settings={"patch": 16, "num_positions": 81},
                accuracy=0.31,
                interval=(0.281, 0.34),
                dense_accuracy=0.36,
                difference=0.05,
                difference_interval=(0.03, 0.07),
            ),
        ),
        skipped=(SkippedCorruption(name="frost", reason="it lays photographs of frost over the image"),),
        baseline=CorruptionBaseline(
            mean_accuracy=0.725, mean_interval=(0.705, 0.745), difference=0.075, difference_interval=(0.06, 0.09)
        ),
    )
    return replace(made, **changes)


def result(**changes: Any) -> Result:
    """Return the certificate's result: 85.1 % on clean images, two threats."""
    made = Result(
        model=ModelFacts(sha256="c3" * 32, architecture="cifar:resnet20", params=71_234, macs=10_512_896),
        artefact=Artefact(kind="onnx", sha256=ONNX),
        data=DataFacts(
            spec="cifar10-jpeg",
            sha256="e5" * 32,
            split="test",
            num_images=1000,
            roles_used=("test",),
            duplicates_with_train=0,
        ),
        clean_accuracy=0.851,
        clean_interval=(0.8274, 0.8725),
        confidence=0.95,
        interval_method="clopper-pearson",
        per_class=classes(),
        calibration=Calibration(
            ece=0.031, nll=0.47, bins=(bin_(0.2, 0), bin_(0.5, 400, 0.55, 0.5), bin_(0.9, 600, 0.97, 0.95))
        ),
        threats=(threat_result("1/255", robust_accuracy=0.62, interval=(0.589, 0.65)), threat_result()),
        curve=(
            CurvePoint(norm="linf", epsilon="1/510", accuracy=0.74),
            CurvePoint(norm="linf", epsilon="1/255", accuracy=0.63),
            CurvePoint(norm="linf", epsilon="2/255", accuracy=0.42),
            CurvePoint(norm="linf", epsilon="8/255", accuracy=0.01),
        ),
        corruptions=None,
        baseline=baseline(),
        claim="On 1,000 test images, no attack of the battery broke more than stated. A stronger attack may.",
        seed=0,
    )
    return replace(made, **changes)


def certificate(created: str = CREATED, **changes: Any) -> Certificate:
    """Return a certificate whose digest is right, with changes to its result."""
    made = result(**changes)
    return Certificate(
        schema=CERTIFICATE_SCHEMA,
        created=created,
        tool_version="0.1.0",
        result=made,
        run=Run(
            seconds=93.4,
            host={"cpu": "Example CPU", "cores": 2},
            versions={"torch": "2.14.1", "onnxruntime": "1.31.1"},
            processes=1,
            batch_size=256,
            threads=2,
        ),
        result_sha256=digest_of_result(made),
    )


def with_threat(**changes: Any) -> Certificate:
    """Return a certificate whose result at linf:2/255 is changed."""
    return certificate(threats=(threat_result(**changes),))


def parity(**changes: Any) -> Parity:
    """Return a parity record that passed."""
    made = Parity(
        schema=PARITY_SCHEMA,
        created=CREATED,
        tool_version="0.1.0",
        artefact_sha256=ONNX,
        provider="cpu",
        batches=(1, 3, 8),
        num_images=1000,
        max_abs=2.4e-6,
        max_rel=3e-7,
        agreement=1.0,
        accuracy_torch=0.851,
        accuracy_onnx=0.851,
        bytes_model=312_456,
        bytes_checkpoint=301_112,
        decision="passed",
    )
    return replace(made, **changes)


def row(**changes: Any) -> LatencyRow:
    """Return a median of 0.44 ms on one CPU thread."""
    made = LatencyRow(
        provider="cpu",
        device_name="Example CPU",
        batch=1,
        threads=1,
        num_runs=1000,
        p50_ms=0.441,
        p90_ms=0.472,
        p99_ms=0.61,
        images_per_second=2267.0,
        nodes_on_provider_fraction=1.0,
        transfers_included=True,
    )
    return replace(made, **changes)


def latency(**changes: Any) -> Latency:
    """Return a file that takes 0.55 of the dense one's time."""
    made = Latency(
        schema=LATENCY_SCHEMA,
        created=CREATED,
        tool_version="0.1.0",
        artefact_sha256=ONNX,
        rows=(row(),),
        against=Against(
            sha256="f6" * 32,
            rows=(row(p50_ms=0.802, p90_ms=0.85, p99_ms=0.99),),
            ratio_p50=0.55,
            ratio_interval=(0.53, 0.57),
        ),
        host={"cpu": "Example CPU", "cores": 2, "memory_gib": 8, "os": "Linux"},
        noisy=False,
    )
    return replace(made, **changes)
