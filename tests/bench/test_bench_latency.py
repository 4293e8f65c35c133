"""What a latency record holds. Never how long something took: that is the machine's business."""

from pathlib import Path

import numpy as np
import pytest
from tiny_onnx import linear_onnx, random_weights

from compressor.bench import latency
from compressor.bench.latency import bench, median_interval, ratio_interval
from compressor.bench.record import Latency
from compressor.errors import CompressorError, LoadError, MachineError, OptionError
from compressor.files import sha256_of_bytes
from compressor.progress import Silent
from compressor.records import dump, parse
from compressor.runtime.gpu import read_driver

SHAPE = (1, 8, 8)
FILE = linear_onnx(random_weights(SHAPE), shape=SHAPE)
OTHER = linear_onnx(random_weights(SHAPE, num_classes=5), shape=SHAPE)


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    """Warm up and resample briefly: only the structure is looked at."""
    monkeypatch.setattr(latency, "WARM_UP_SECONDS", 0.001)
    monkeypatch.setattr(latency, "SECONDS_PER_ROW", 0.01)
    monkeypatch.setattr(latency, "RESAMPLES", 50)


def test_one_row_per_batch_size(tmp_path: Path):
    """Each row has its configuration, ordered percentiles and a throughput that follows from the median."""
    path = tmp_path / "model.onnx"
    path.write_bytes(FILE)
    record = bench(path, batches=(1, 3), threads=2)
    assert record.artefact_sha256 == sha256_of_bytes(FILE)
    assert [(row.provider, row.batch, row.threads) for row in record.rows] == [("cpu", 1, 2), ("cpu", 3, 2)]
    for row in record.rows:
        assert 0 < row.p50_ms <= row.p90_ms
        assert row.p50_interval[0] <= row.p50_ms <= row.p50_interval[1]
        assert row.images_per_second == pytest.approx(row.batch * 1000 / row.p50_ms)
        assert (row.nodes_on_provider_fraction, row.transfers_included) == (1.0, True)
        assert row.device_name == record.host["cpu"]
    assert record.against is None
    assert parse(dump(record), Latency, source="latency.json") == record


def test_99th_percentile_needs_a_thousand_runs():
    """Below that it would rest on fewer than ten runs, so there is none."""
    few, many = (bench(FILE, num_runs=num).rows[0] for num in (998, 1000))
    assert (few.num_runs, few.p99_ms) == (998, None)
    assert many.num_runs == 1000
    assert many.p90_ms <= many.p99_ms


def test_number_of_runs_has_bounds():
    """Left to us it is at least thirty; fewer cannot be asked for."""
    assert bench(FILE).rows[0].num_runs >= latency.MIN_RUNS
    with pytest.raises(OptionError, match="too little"):
        bench(FILE, num_runs=29)


def test_two_files_are_timed_in_turns(monkeypatch):
    """This, other, other, this: each follows itself as often as it follows the other."""
    order: list[int] = []
    runs = [lambda: order.append(0), lambda: order.append(1)]
    monkeypatch.setattr(latency, "_warm_up", lambda run: 1.0)
    times = latency._time(runs, 32)
    assert order == [0, 1, 1, 0] * 16
    assert [len(each) for each in times] == [32, 32]


def test_against_another_file():
    """Both sides have the same configurations; the ratio lies in its interval, and its other side is named."""
    record = bench(FILE, against=OTHER, batches=(1, 2))
    other = record.against
    assert other.sha256 == sha256_of_bytes(OTHER)
    assert [row.batch for row in other.rows] == [row.batch for row in record.rows] == [1, 2]
    assert other.ratio_p50 == pytest.approx(record.rows[0].p50_ms / other.rows[0].p50_ms)
    assert other.ratio_interval[0] <= other.ratio_p50 <= other.ratio_interval[1]


def test_interval_finds_a_known_ratio():
    """Times drawn around 2 and 4 ms, both with the same drift: the interval is narrow and holds one half."""
    rng = np.random.default_rng(0)
    drift = np.linspace(1, 1.3, 400)
    mine, other = (middle * drift * rng.lognormal(0, 0.05, 400) for middle in (2.0, 4.0))
    low, high = ratio_interval(mine, other, rng=np.random.default_rng(1))
    assert low < 0.5 < high
    assert high - low < 0.05
    assert (low, high) == ratio_interval(mine, other, rng=np.random.default_rng(1))


def test_interval_of_the_median_in_closed_form():
    """Thirty times: the tenth and the twenty-first (binomial table); outliers move neither."""
    times = np.arange(1.0, 31.0)
    assert median_interval(times[::-1]) == (10.0, 21.0)
    times[-5:] = 1e6
    assert median_interval(times) == (10.0, 21.0)


def test_interval_of_the_median_covers():
    """Of 400 samples from a skewed distribution whose median is known, at least 93 % of the intervals hold it."""
    rng = np.random.default_rng(0)
    intervals = [median_interval(rng.lognormal(0, 1, 100)) for _ in range(400)]
    assert sum(low <= 1 <= high for low, high in intervals) >= 0.93 * 400


@pytest.mark.parametrize(
    ("times", "noisy"),
    [
        (np.full(100, 2.0), False),
        (np.linspace(2.0, 2.05, 100), False),
        (np.concatenate([np.full(50, 2.0), np.full(50, 2.2)]), True),
        (np.tile([2.0, 2.0, 2.2, 2.2], 25), True),
        (np.append(np.full(99, 2.0), 500.0), False),
    ],
)
def test_noise_is_a_file_that_is_not_itself(times, noisy):
    """Early against late, and by turns; a single outlier is not noise."""
    assert latency._is_noisy(times) == noisy


def test_raw_bytes_are_timed_as_such():
    """A file that takes uint8 is given uint8."""
    assert bench(linear_onnx(random_weights(SHAPE), shape=SHAPE, kind="uint8")).rows[0].batch == 1


def test_a_file_of_one_batch_size():
    """It is timed at that size, and asked for another says which one it takes."""
    fixed = linear_onnx(random_weights(SHAPE), shape=SHAPE, batch=4)
    assert bench(fixed, batches=(4,)).rows[0].batch == 4
    with pytest.raises(OptionError, match="takes batches of 4, not 1"):
        bench(fixed)


@pytest.mark.parametrize(
    ("model", "options", "kind"),
    [
        (FILE, {"batches": ()}, OptionError),
        (FILE, {"batches": (1, 0)}, OptionError),
        (FILE, {"threads": 0}, OptionError),
        (FILE, {"provider": "tpu"}, OptionError),
        (FILE, {"against": b"random"}, LoadError),
        (b"random", {}, LoadError),
        (Path("absent.onnx"), {}, LoadError),
    ],
)
def test_bad_input(model, options, kind):
    """Each is one known error with an advice."""
    with pytest.raises(kind) as caught:
        bench(model, **options)
    assert caught.value.advice


def test_progress_hears_each_row():
    """One step per row, with its median."""
    notes: list[str] = []

    class Listener(Silent):
        def stage(self, name, *, total=None, unit=""):
            from contextlib import nullcontext

            class Step:
                def advance(self, amount=1, note=""):
                    notes.append(note)

            assert (name, total) == ("bench", 2)
            return nullcontext(Step())

    bench(FILE, batches=(1, 2), progress=Listener())
    assert [note.split(":")[0] for note in notes] == ["batch 1", "batch 2"]


@pytest.mark.skipif(read_driver() is not None, reason="this machine has a GPU")
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_provider_that_does_not_load_gives_no_number(provider):
    """An error with a fix, never a CPU time under a GPU's name."""
    with pytest.raises(MachineError, match=provider) as caught:
        bench(FILE, provider=provider)
    assert isinstance(caught.value, CompressorError)
    assert caught.value.advice


@pytest.mark.gpu
def test_a_gpu_gives_two_rows_per_batch():
    """From numpy to numpy first, then what stays on the GPU."""
    record = bench(FILE, against=OTHER, provider="cuda", batches=(1, 8))
    assert [(row.batch, row.transfers_included) for row in record.rows] == [
        (1, True),
        (1, False),
        (8, True),
        (8, False),
    ]
    assert all(row.device_name for row in record.rows)
