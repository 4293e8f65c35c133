"""Everything a report says, gathered once: dense, slim and control side by side, and the records behind them."""

from collections.abc import Sequence
from dataclasses import dataclass

from compressor.attacks.threat import Threat, parse_threat
from compressor.bench.record import Latency, LatencyRow
from compressor.certify.certificate import Certificate, PairedResult, Result
from compressor.export.record import Parity
from compressor.gate.rules import wilson
from compressor.gate.verdict import Verdict
from compressor.report.facts import EpochPoint, InputFacts, LayerWidth, ModelSize, Sample, SearchFacts
from compressor.types import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number and, where there is one, the interval around it."""

    value: float
    interval: Interval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One model in the comparison. None is what is not known."""

    name: str
    """`dense`, `slim` or `control`."""
    accuracy: Figure | None = None
    robust: tuple[Figure | None, ...] = ()
    """Under each threat of the summary."""
    corrupted: Figure | None = None
    """Mean over the common corruptions."""
    calibration_error: float | None = None
    """Expected calibration error, in [0, 1]."""
    params: int | None = None
    macs: int | None = None
    num_bytes: int | None = None
    p50_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What all reports are written from."""

    name: str
    """Of the model, as the bundle is called."""
    created: str
    verdict: Verdict | None
    threats: tuple[Threat, ...]
    columns: tuple[Column, ...]
    ratio_p50: Figure | None
    """Median of slim / median of dense, timed in turn."""
    timed: LatencyRow | None
    """The configuration that the columns' medians are of."""
    certificate: Certificate | None
    parity: Parity | None
    latency: Latency | None
    layers: tuple[LayerWidth, ...]
    epochs: tuple[EpochPoint, ...]
    samples: tuple[Sample, ...]
    """Adversarial images to look at, the worst of each threat in turn."""
    commands: tuple[str, ...]
    """How to make and check this again."""
    image: InputFacts | None
    search: SearchFacts | None
    """Among which others it was chosen; None where nothing was searched for."""

    @property
    def has_control(self) -> bool:
        """Whether a difference can be put down to pruning at all."""
        return any(column.name == "control" for column in self.columns)

    @property
    def model_sha256(self) -> str | None:
        """Digest of model.onnx."""
        if self.parity is not None:
            return self.parity.artefact_sha256
        return self.certificate.result.artefact.sha256 if self.certificate is not None else None


def summarise(
    *,
    name: str,
    created: str,
    certificate: Certificate | None = None,
    parity: Parity | None = None,
    latency: Latency | None = None,
    verdict: Verdict | None = None,
    dense: ModelSize | None = None,
    control: Certificate | None = None,
    layers: Sequence[LayerWidth] = (),
    epochs: Sequence[EpochPoint] = (),
    samples: Sequence[Sample] = (),
    commands: Sequence[str] = (),
    image: InputFacts | None = None,
    search: SearchFacts | None = None,
) -> Summary:
    """Gather what is known. Whatever is None is left out of the reports, never guessed.

    Args:
        name: of the model.
        created: ISO 8601.
        certificate: of the slim model.
        parity: of model.onnx.
        latency: of model.onnx, best timed against the dense one.
        verdict: when something was judged.
        dense: what the dense model weighs.
        control: certificate of the dense model fine-tuned by the same recipe; `torch` will do.
        layers: widths before and after, in the order of the network.
        epochs: of fine-tuning.
        samples: adversarial images to look at.
        commands: how to make and check this again.
        image: what model.onnx takes.
        search: among which others it was chosen.
    """
    threats = tuple(each.threat for each in certificate.result.threats) if certificate else ()
    timed = latency.rows[0] if latency and latency.rows else None
    columns = [
        _dense_column(certificate, latency, dense, threats),
        _slim_column(certificate, parity, timed, threats),
        _control_column(control, threats),
    ]
    against = latency.against if latency else None
    return Summary(
        name=name,
        created=created,
        verdict=verdict,
        threats=threats,
        columns=tuple(column for column in columns if column is not None),
        ratio_p50=Figure(value=against.ratio_p50, interval=against.ratio_interval) if against else None,
        timed=timed,
        certificate=certificate,
        parity=parity,
        latency=latency,
        layers=tuple(layers),
        epochs=tuple(epochs),
        samples=tuple(samples),
        commands=tuple(commands),
        image=image,
        search=search,
    )


def dense_robust(result: Result, threat: Threat) -> Figure | None:
    """Return the baseline's own robust accuracy with its Wilson interval; None when it was not attacked."""
    pairs = result.baseline.threats if result.baseline else ()
    pair = next((each for each in pairs if parse_threat(f"{each.norm}:{each.epsilon}") == threat), None)
    if pair is None or not _num_images(pair):
        return None
    right, num = pair.both + pair.only_dense, _num_images(pair)
    return Figure(value=right / num, interval=wilson(right, num, confidence=result.confidence))


def _num_images(pair: PairedResult) -> int:
    return pair.both + pair.only_dense + pair.only_slim + pair.neither


def _dense_column(
    certificate: Certificate | None, latency: Latency | None, size: ModelSize | None, threats: tuple[Threat, ...]
) -> Column | None:
    baseline = certificate.result.baseline if certificate else None
    against = latency.against if latency else None
    if baseline is None and against is None and size is None:
        return None
    accuracy, robust = None, tuple[Figure | None, ...](None for _ in threats)
    shaken = certificate.result.corruptions.baseline if certificate and certificate.result.corruptions else None
    if certificate is not None and baseline is not None:
        confidence, clean = certificate.result.confidence, baseline.clean
        right, num = clean.both + clean.only_dense, clean.both + clean.only_dense + clean.only_slim + clean.neither
        interval = wilson(right, num, confidence=confidence) if num else None
        accuracy = Figure(value=baseline.clean_accuracy, interval=interval)
        robust = tuple(dense_robust(certificate.result, threat) for threat in threats)
    return Column(
        name="dense",
        accuracy=accuracy,
        robust=robust,
        corrupted=Figure(value=shaken.mean_accuracy, interval=shaken.mean_interval) if shaken else None,
        calibration_error=baseline.calibration.ece if baseline else None,
        params=size.params if size else None,
        macs=size.macs if size else None,
        num_bytes=size.num_bytes if size else None,
        p50_ms=against.rows[0].p50_ms if against and against.rows else None,
    )


def _slim_column(
    certificate: Certificate | None, parity: Parity | None, timed: LatencyRow | None, threats: tuple[Threat, ...]
) -> Column:
    result = certificate.result if certificate else None
    return Column(
        name="slim",
        accuracy=Figure(value=result.clean_accuracy, interval=result.clean_interval) if result else None,
        robust=_robust(result, threats),
        corrupted=_corrupted(result),
        calibration_error=result.calibration.ece if result else None,
        params=result.model.params if result else None,
        macs=result.model.macs if result else None,
        num_bytes=parity.bytes_model if parity else None,
        p50_ms=timed.p50_ms if timed else None,
    )


def _control_column(control: Certificate | None, threats: tuple[Threat, ...]) -> Column | None:
    if control is None:
        return None
    result = control.result
    return Column(
        name="control",
        accuracy=Figure(value=result.clean_accuracy, interval=result.clean_interval),
        robust=_robust(result, threats),
        corrupted=_corrupted(result),
        calibration_error=result.calibration.ece,
        params=result.model.params,
        macs=result.model.macs,
    )


def _corrupted(result: Result | None) -> Figure | None:
    found = result.corruptions if result else None
    return Figure(value=found.mean_accuracy, interval=found.mean_interval) if found else None


def _robust(result: Result | None, threats: tuple[Threat, ...]) -> tuple[Figure | None, ...]:
    known = {each.threat: each for each in result.threats} if result else {}
    return tuple(
        Figure(value=known[threat].robust_accuracy, interval=known[threat].interval) if threat in known else None
        for threat in threats
    )
