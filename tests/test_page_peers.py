"""The section beside peers says what its rows do, also where a peer is better."""

import json
from typing import Any

import numpy as np
import pytest

from benchmarks.battery_row import packed
from benchmarks.page_peers import ORDER, bits, peers, right_of
from benchmarks.peers.lines import lines_of_code
from benchmarks.peers.parts import ATTACKS, ROUNDS, SLIM, TRAINING
from benchmarks.rows import RESULTS, ROOT

NUM = 1000
HOST = {"cpu": "abacus", "cores": 2, "gpu": ""}
RECORD = {"created": "2026-01-02T03:04:05+00:00", "host": HOST, "versions": {"torch": "9"}}
COMMITTED = {path.stem: json.loads(path.read_bytes()) for path in sorted((RESULTS / "peers").glob("*.json"))}
ROWS: dict[str, dict[str, Any]] = {
    row["part"]: row for record in COMMITTED.values() for row in record["rows"] if "part" in row
}


def row(part: str, *, num_right: int, ratio: float | None, seconds: float = 10.0) -> dict[str, Any]:
    """Return a row whose file answers the first `num_right` images right."""
    against = None if ratio is None else {"ratio_p50": ratio, "ratio_interval": [ratio - 0.01, ratio + 0.01]}
    return {
        "part": part,
        "made": {"packages": {"tool": "1"}},
        "load": 0.5,
        "lines": 2 if part == "ours" else 10,
        "lines_of_training": 0 if part == "ours" else 30,
        "seconds": seconds,
        "cost": {"macs": 20_000_000, "params": 1000, "num_bytes": 5000},
        "test_accuracy": num_right / NUM,
        "num_test": NUM,
        "right": packed(np.arange(NUM) < num_right),
        "latency": {"rows": [{"p50_ms": 1.0}], "against": against},
    }


def page(*rows: dict[str, Any]) -> str:
    """Return the section from rows."""
    return peers([RECORD | {"rows": [each]} for each in rows])


@pytest.mark.parametrize(
    ("num_right", "ratio", "seconds", "said"),
    [
        (850, 0.9, 5.0, "better than ours: accuracy +5.00 points"),
        (750, 0.9, 5.0, "worse: accuracy -5.00 points"),
        (801, 0.9, 5.0, "about equal or not told apart: accuracy +0.10 points"),
        (
            850,
            0.9,
            5.0,
            "latency 0.900 (0.890 to 0.910) of ours, processor time 0.50 of ours; worse: 40 lines beside 2",
        ),
        (750, 1.2, 20.0, "latency 1.200 (1.190 to 1.210) of ours, processor time 2.00 of ours, 40 lines beside 2"),
        (801, 1.005, 5.0, "latency 1.005 (0.995 to 1.015) of ours"),
    ],
)
def test_a_better_peer_is_called_better(num_right: int, ratio: float, seconds: float, said: str) -> None:
    """Each comparison stands under better, worse, or not told apart."""
    ours = row("ours", num_right=800, ratio=None)
    text = page(ours, row("torch-pruning", num_right=num_right, ratio=ratio, seconds=seconds))
    line = next(line for line in text.splitlines() if line.startswith("- torch-pruning"))
    assert said in line


def test_a_script_that_fails_is_a_finding() -> None:
    """Its last words and its time stand there; nothing is compared."""
    failed = {"part": "torch-pruning-readme", "failed": "RuntimeError: shapes", "seconds": 4.0, "load": 1.0}
    failed |= {"made": {"packages": {"torch-pruning": "1.6.1"}}, "lines": 10, "lines_of_training": 30}
    text = page(row("ours", num_right=800, ratio=None), failed)
    assert "as in its README: fails after 4 s, `RuntimeError: shapes`." in text
    assert "| torch-pruning, as in its README | torch-pruning 1.6.1 | fails |" in text


def test_the_control_is_not_judged() -> None:
    """It is no other tool: it shows what the training alone does."""
    text = page(row("ours", num_right=800, ratio=None), row("control", num_right=900, ratio=1.5))
    assert "| no pruning, the same training |" in text
    assert "better than ours" not in text


@pytest.mark.parametrize(
    ("num_right", "ratio", "says_so"), [(850, 0.9, True), (850, 1.0, False), (801, 0.9, False), (700, 0.9, False)]
)
def test_our_default_is_not_defended(num_right: int, ratio: float, says_so: bool) -> None:
    """Where keeping the shortcuts' channels is both righter and faster, the page says so and compares with that."""
    inner, peer = row("ours-inner", num_right=num_right, ratio=ratio), row("torch-pruning", num_right=820, ratio=0.9)
    text = page(row("ours", num_right=800, ratio=None), inner, peer)
    assert ("our default is not our best" in text) == says_so
    assert f"torch-pruning, inner convolutions {(820 - num_right) / 10:+.2f} points" in text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (0, "answers the same; it takes 2.00 times as long"),
        (3, "leaves 3 images more standing, so that it is the weaker one; it takes 2.00"),
        (-2, "breaks 2 images more, so that it is the stronger one; it takes 2.00"),
    ],
)
def test_attackers_are_compared_on_the_same_images(more: int, said: str) -> None:
    """Fewer standing images mean a stronger attacker; images that `full` breaks are counted."""

    def attack(battery: str, num_standing: int, seconds: list[float]) -> dict[str, Any]:
        found = {"battery": battery, "threat": "linf:1/255", "num_images": 100, "num_standing": num_standing}
        stands = packed(np.arange(100) < num_standing)
        return found | {"stands": stands, "all_seconds": seconds, "lines": 9, "load": 0.5}

    attacks = [attack("standard", 30, [5.0, 4.0, 6.0]), attack("full", 28, [90.0])]
    text = page(
        row("ours", num_right=800, ratio=None), *attacks, attack("torchattacks PGD-40", 30 + more, [10.0, 10.0])
    )
    assert f"- torchattacks PGD-40 beside `standard`: {said}" in text
    assert f"| torchattacks PGD-40 | {30 + more}.0% | {2 + more} | 10.0 | 2 | 9 |" in text


def test_without_rows_the_command_is_named() -> None:
    """As every other section does."""
    assert "No rows yet." in peers([])
    assert "python -m benchmarks.peers.run" in peers([])


def test_committed_rows_are_about_one_comparison() -> None:
    """Torch-pruning and torchattacks are measured; every file was timed against ours, on the same images."""
    assert {"ours", "control", "torch-pruning"} <= set(ROWS)
    assert {each["battery"] for each in COMMITTED["robustness"]["rows"]} == set(ORDER)
    digest = ROWS["ours"]["latency"]["artefact_sha256"]
    done = [each for each in ROWS.values() if "failed" not in each]
    assert {each["latency"]["against"]["sha256"] for each in done if each["part"] != "ours"} == {digest}
    assert {each["made"]["num_train"] for each in ROWS.values()} == {8000}
    for each in done:
        assert each["test_accuracy"] == pytest.approx(right_of(each).mean())
        assert each["num_test"] == 10_000


@pytest.mark.parametrize("name", ROWS)
def test_lines_are_those_of_the_committed_scripts(name: str) -> None:
    """Counted again from the scripts as they stand."""
    part = {part.name: part for part in SLIM}[name]
    assert ROWS[name]["lines"] == lines_of_code(part.path)
    shared = 0 if part.is_ours else sum(lines_of_code(ROOT / place) for place in TRAINING)
    assert ROWS[name]["lines_of_training"] == shared


def test_committed_attacks_add_up() -> None:
    """Each attacker ran, at most as often as the rounds say, and images that stand are those counted."""
    assert len({each["slim_sha256"] for each in COMMITTED["robustness"]["rows"]}) == 1
    for each in COMMITTED["robustness"]["rows"]:
        assert 1 <= len(each["all_seconds"]) <= ROUNDS.count(each["battery"])
        assert bits(each["stands"], each["num_images"]).sum() == each["num_standing"]
        assert each["lines"] == lines_of_code({part.name: part for part in ATTACKS}[each["battery"]].path)
