"""What a report shows of plan.json, history.json and trials.json, read without the torch of those who wrote them."""

from dataclasses import dataclass
from pathlib import Path

from compressor.records import parse
from compressor.report.facts import EpochPoint, LayerWidth, ModelSize, SearchFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cost:
    params: int
    macs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFacts:
    """A part of plan.json; all else in it is passed over."""

    before: _Cost
    """Of the dense model."""
    widths: dict[str, tuple[int, int]] | None = None
    """Filters of each layer before and after; None in bundles of older versions."""

    @property
    def layers(self) -> tuple[LayerWidth, ...]:
        """Every layer's width, in the order of the model."""
        pairs = (self.widths or {}).items()
        return tuple(LayerWidth(name=name, before=before, after=after) for name, (before, after) in pairs)

    def dense(self, num_bytes: int | None) -> ModelSize:
        """Return what the dense model weighs; how large its file is, the latency record says."""
        return ModelSize(params=self.before.params, macs=self.before.macs, num_bytes=num_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Epoch:
    number: int
    loss: float
    train_accuracy: float
    select_accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFacts:
    """A part of history.json."""

    select_accuracy_before: float
    epochs: tuple[_Epoch, ...]

    @property
    def points(self) -> tuple[EpochPoint, ...]:
        """Every epoch, and the state before."""
        start = EpochPoint(number=0, loss=None, train_accuracy=None, select_accuracy=self.select_accuracy_before)
        rows = (
            EpochPoint(
                number=each.number,
                loss=each.loss,
                train_accuracy=each.train_accuracy,
                select_accuracy=each.select_accuracy,
            )
            for each in self.epochs
        )
        return (start, *rows)


def plan_facts(source: Path | bytes) -> PlanFacts:
    """Read plan.json.

    Raises:
        EvidenceError: it is no plan.
    """
    return parse(source if isinstance(source, bytes) else source.read_bytes(), PlanFacts, source=_name(source, "plan"))


def history_facts(source: Path | bytes) -> HistoryFacts:
    """Read history.json.

    Raises:
        EvidenceError: it is no history.
    """
    content = source if isinstance(source, bytes) else source.read_bytes()
    return parse(content, HistoryFacts, source=_name(source, "history"))


def search_facts(source: Path | bytes) -> SearchFacts:
    """Read trials.json.

    Raises:
        EvidenceError: it is no record of a search.
    """
    content = source if isinstance(source, bytes) else source.read_bytes()
    return parse(content, SearchFacts, source=_name(source, "trials"))


def _name(source: Path | bytes, name: str) -> str:
    return f"{name}.json" if isinstance(source, bytes) else str(source)
