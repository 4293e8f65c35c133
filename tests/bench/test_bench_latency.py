"""What a latency record holds. Never how long something took: that is the machine's business."""

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_onnx import linear_onnx, random_weights

from compressor.bench import turns
from compressor.bench.latency import bench
from compressor.bench.record import Latency, NotMeasured
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
    """Warm up and run briefly: only the structure is looked at."""
    monkeypatch.setattr(turns, "WARM_UP_SECONDS", 0.001)
    monkeypatch.setattr(turns, "WARM_UP_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(turns, "SECONDS_PER_ROW", 0.01)


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
    few, many = (bench(FILE, num_runs=num).rows[0] for num in (980, 981))
    assert (few.num_runs, few.p99_ms) == (980, None)
    assert many.num_runs == 1000
    assert many.p90_ms <= many.p99_ms


def test_number_of_runs_has_bounds():
    """Left to us it is at least thirty; fewer cannot be asked for."""
    assert bench(FILE).rows[0].num_runs >= turns.MIN_RUNS
    with pytest.raises(OptionError, match="too little"):
        bench(FILE, num_runs=29)


def test_against_another_file():
    """Both sides have the same configurations; each row has its ratio, the first one's is the record's."""
    record = bench(FILE, against=OTHER, batches=(1, 2))
    other = record.against
    assert other.sha256 == sha256_of_bytes(OTHER)
    assert [row.batch for row in other.rows] == [row.batch for row in record.rows] == [1, 2]
    assert len(other.ratios) == 2
    assert (other.ratio_p50, other.ratio_interval) == (other.ratios[0].ratio_p50, other.ratios[0].ratio_interval)
    for each in other.ratios:
        assert each.ratio_interval[0] <= each.ratio_p50 <= each.ratio_interval[1]
    assert (record.file_bytes, other.file_bytes) == (len(FILE), len(OTHER))


def test_files_for_other_images_are_not_compared():
    """A network for smaller images is faster, and that says nothing about it."""
    larger = (1, 8, 16)
    with pytest.raises(OptionError, match=r"takes images of 1x8x8, the one to compare with 1x8x16") as caught:
        bench(FILE, against=linear_onnx(random_weights(larger), shape=larger))
    assert caught.value.advice.endswith("--input-size 8x8")


def test_a_record_says_what_a_time_depends_on():
    """Sessions, time to open, memory, file size, versions and the load of the machine are kept beside the times."""
    record = bench(FILE)
    row = record.rows[0]
    assert row.num_sessions == turns.NUM_SESSIONS
    assert row.load_ms > 0
    assert row.cuda_graph is row.pause_ms is None
    assert bench(FILE, num_runs=30, pause_seconds=1e-5).rows[0].pause_ms == pytest.approx(0.01)
    assert (row.peak_memory_bytes is None) == (row.peak_memory_of is None)
    assert any(name.startswith("onnxruntime") for name in record.versions)
    assert float(record.host["load_average"]) >= 0


def test_an_older_record_is_still_read():
    """A record without the later keys reads as before, and is written as it was."""
    record = bench(FILE, against=OTHER)
    bare = {"num_sessions": None, "load_ms": None, "peak_memory_bytes": None, "peak_memory_of": None}
    rows = [tuple(replace(row, **bare) for row in side) for side in (record.rows, record.against.rows)]
    other = replace(record.against, rows=rows[1], ratios=None, file_bytes=None)
    old = replace(record, rows=rows[0], against=other, versions=None, file_bytes=None)
    content = dump(old)
    assert not [key for key in (*bare, "ratios", "versions", "file_bytes", "not_measured") if key in content.decode()]
    assert dump(parse(content, Latency, source="latency.json")) == content


def test_cuda_graphs_are_a_gpus():
    """Asked for on a CPU, the record says why there are none; what else could not be timed is kept too."""
    said = NotMeasured(what="against", reason="too large")
    record = bench(FILE, cuda_graphs=True, not_measured=[said])
    assert [(each.what, "--provider cuda" in each.reason) for each in record.not_measured] == [
        ("against", False),
        ("CUDA graphs", True),
    ]
    assert len(record.rows) == 1


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


@pytest.mark.gpu
def test_a_captured_graph_is_a_row_of_its_own():
    """Every node is on the GPU, so the graph is captured and replayed from the third row on."""
    record = bench(FILE, provider="cuda", cuda_graphs=True)
    assert [row.cuda_graph for row in record.rows] == [False, False, True]
    assert record.not_measured is None
    assert record.rows[2].peak_memory_of == "gpu"
    assert {"cuda", "cudnn"} <= set(record.versions)
    assert record.host["gpu_sm_mhz"] > 0
