"""What compress bench says, and what it says where something cannot be timed."""

import json
from pathlib import Path

import pytest
from made_up import latency, row
from tiny_onnx import linear_onnx, random_weights

from cli import app
from cli.identical import asked_of_latency
from cli.texts import latency_text
from compressor.bench import turns
from compressor.bench.record import Against, Latency, NotMeasured
from compressor.gate.evidence import evidence_of
from compressor.gate.judge import judge
from compressor.gate.policy import parse_policy
from compressor.records import now, parse, to_plain

ON_GPU = tuple(
    row(provider="cuda", batch=batch, transfers_included=not stays, cuda_graph=graph)
    for batch in (1, 8)
    for stays, graph in ((False, False), (True, False), (True, True))
)


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "WARM_UP_SECONDS", 0.001)
    monkeypatch.setattr(turns, "SECONDS_PER_ROW", 0.01)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Return a linear file of 64 pixels."""
    path = tmp_path / "tiny.onnx"
    path.write_bytes(linear_onnx(random_weights((1, 8, 8)), shape=(1, 8, 8)))
    return path


@pytest.mark.usefixtures("_short")
def test_a_dense_model_over_2_gib_is_reported(
    tiny: Path,
    digits_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The slim side is timed, the record and the text say why there is no ratio, and the gate quotes it."""
    monkeypatch.setattr("compressor.subject.fits_one_file", lambda checkpoint: False)
    path = tmp_path / "latency.json"
    line = ["bench", str(tiny), "--against", str(digits_checkpoint), "-o", str(path), "--quiet"]
    assert app.run(line) == 0
    assert "not measured: against: the model to compare with is over 2 GiB" in capsys.readouterr().out
    record = parse(path.read_bytes(), Latency, source="latency.json")
    assert (record.against, len(record.rows)) == (None, 1)
    policy = parse_policy('schema = "compress.policy/1"\n[[latency]]\nmax_ratio_p50 = 0.6\n', "policy.toml")
    conditions = judge(policy, evidence_of(latency=[record]), now=now()).conditions
    (condition,) = (each for each in conditions if each.id.endswith(".max_ratio_p50"))
    assert condition.decision == "undecided"
    assert "over 2 GiB" in condition.reason


@pytest.mark.usefixtures("_short")
def test_runs_and_graphs_can_be_asked_for(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A thousand runs give a 99th percentile; graphs on a CPU are not measured, and that is no error."""
    line = ["bench", str(tiny), "--num-runs", "1000", "--cuda-graphs", "--json", "--quiet"]
    assert app.run([*line, "-o", str(tmp_path / "latency.json")]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["rows"][0]["p99_ms"] > 0
    assert [each["what"] for each in record["not_measured"]] == ["CUDA graphs"]


@pytest.mark.parametrize(
    ("interval", "word"),
    [((0.998, 1.002), "no difference shown"), ((0.9, 0.99), "faster"), ((1.01, 1.1), "slower")],
)
def test_faster_is_said_only_where_the_interval_excludes_one(interval: tuple[float, float], word: str) -> None:
    """Whatever the ratio itself is."""
    ratio = sum(interval) / 2
    against = Against(sha256="f6" * 32, rows=(row(),), ratio_p50=ratio, ratio_interval=interval)
    assert latency_text(latency(against=against), Path("latency.json")).splitlines()[-2].endswith(f"]: {word}")


def test_each_row_says_what_was_timed() -> None:
    """End to end, on the device, or the captured graph; size, time to open and memory stand below."""
    rows = (*ON_GPU[:2], row(provider="cuda", cuda_graph=True, transfers_included=False))
    record = latency(
        rows=(row(load_ms=12.34, peak_memory_bytes=5_000_000, peak_memory_of="gpu"), *rows),
        against=None,
        file_bytes=2_500_000,
        not_measured=(NotMeasured(what="CUDA graphs at batch 8", reason="no memory"),),
    )
    lines = latency_text(record, Path("latency.json")).splitlines()
    assert [line[10:22].strip() for line in lines[1:5]] == ["end to end", "end to end", "on device", "graph"]
    assert lines[5] == "the file: 2.50 MB, opens in 12.3 ms, takes at most 5.0 MB of gpu memory"
    assert lines[6] == "not measured: CUDA graphs at batch 8: no memory"


def test_rows_of_one_batch_size_are_asked_for_once() -> None:
    """A GPU gives several rows for each batch size that was asked for, and graphs are part of what was asked."""
    asked = asked_of_latency(to_plain(latency(rows=ON_GPU)))
    assert asked["provider, batch and threads"] == [["cuda", 1, 1], ["cuda", 8, 1]]
    assert asked["CUDA graphs"] is True
    assert asked_of_latency(to_plain(latency()))["CUDA graphs"] is False
