"""What planning asks of export and bench, and that a plan made from measurements is kept."""

from pathlib import Path

import pytest
from tiny_onnx import linear_onnx, random_weights

from compressor.bench import turns
from compressor.export.onnx import export_onnx
from compressor.load import Checkpoint, load
from compressor.measures import FileLatency
from compressor.prune import slim
from compressor.shrink import choose
from compressor.task import Cut, Place, Timing

SHAPE = (1, 8, 8)
SMALL = linear_onnx(random_weights(SHAPE), shape=SHAPE)


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "WARM_UP_SECONDS", 0.001)
    monkeypatch.setattr(turns, "WARM_UP_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(turns, "SECONDS_PER_ROW", 0.01)


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("against", [False, True])
def test_latency_has_an_upper_end(digits_checkpoint: Path, *, against: bool) -> None:
    """Milliseconds of one file, or its ratio to the dense one, with the upper end of the interval; long and short."""
    dense = load(digits_checkpoint)
    measure = FileLatency(lambda _: SMALL, Timing(), against=dense if against else None)
    for thorough in (False, True):
        found = measure(dense, thorough=thorough)
        assert 0 < found.value <= found.upper


@pytest.mark.slow
def test_bytes_of_the_real_file(digits_checkpoint: Path, tmp_path: Path) -> None:
    """Half the bytes: the file of the slim model has what the plan says; asked again, the kept plan is returned."""
    dense = load(digits_checkpoint)
    cut, place = Cut(target_bytes=0.5), Place(work_dir=tmp_path)
    made = choose(dense, cut=cut, place=place)
    assert made.target is not None
    assert made.target.dense == len(export_onnx(dense))
    assert made.target.reached == len(export_onnx(slim(dense, made))) <= 0.5 * made.target.dense
    assert made.target.gap_fraction <= 0.02
    assert choose(dense, cut=cut, place=place) == made
    (kept,) = (tmp_path / "plan").iterdir()
    kept.write_text("{}")
    other: Checkpoint = load(digits_checkpoint)
    assert choose(other, cut=Cut(target_bytes=0.6), place=place).target != made.target
