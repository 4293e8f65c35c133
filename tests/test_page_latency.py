"""The latency sections of docs/benchmarks.md say what their rows do, reached or not."""

from typing import Any

import pytest

from benchmarks.latency_peer import MODELS
from benchmarks.page_latency import against_peer, slim_and_dense, torch_rows

HOST = {"cpu": "abacus", "cores": 2, "gpu": ""}
RECORD = {"created": "2026-01-02T03:04:05+00:00", "host": HOST, "versions": {"torch": "9"}}


def side(ratio: float, half: float = 0.01) -> dict[str, Any]:
    """Return what one of ours found."""
    against = {"ratio_p50": ratio, "ratio_interval": [ratio - half, ratio + half], "rows": [{"p50_ms": 4.0}]}
    return {
        "macs": 9_000_000,
        "latency": {"rows": [{"p50_ms": 4.0 * ratio}], "against": against, "host": {"load_average": "0.50"}},
    }


def records(ratios: list[float], half: float = 0.01) -> list[dict[str, Any]]:
    """Return one record for each network."""
    return [
        RECORD
        | {
            "rows": [
                {"model": name, "dense": {"macs": 40_000_000}, "peer": {"macs": 10_000_000}}
                | {"filters": side(ratio, half), "blocks": side(1.0)}
                | {"fastest": side(0.7) | {"structure": "both", "early_ratio": 0.6}}
            ]
        }
        for name, ratio in zip(MODELS, ratios, strict=False)
    ]


def reached(text: str) -> list[bool]:
    """Return whether each target was reached, in the order of the page."""
    return ["**" not in line for line in text.splitlines() if line.startswith("- By")]


@pytest.mark.parametrize(
    ("ratios", "half", "holds"),
    [
        ([0.8] * 5 + [1.0] * 5, 0.01, [True, True]),
        ([0.8] * 5 + [1.005] * 5, 0.01, [True, True]),
        ([0.8] * 4 + [0.91] * 6, 0.01, [True, False]),
        ([0.8] * 9 + [1.02], 0.01, [False, True]),
        ([0.8] * 10, 0.3, [False, False]),
        ([0.8] * 5 + [1.0] * 5, 0.03, [False, True]),
        ([0.8] * 9, 0.01, [False, True]),
    ],
)
def test_targets_against_the_peer(ratios: list[float], half: float, holds: list[bool]) -> None:
    """Slower is what an interval above 1 shows, and a wide one leaves it open; nine networks are not ten."""
    text = against_peer(records(ratios, half))
    assert reached(text)[:2] == holds
    assert "| 0.700 (0.690 to 0.710) | blocks too, early 0.6 |" in text
    assert f"| {ratios[0]:.3f} ({ratios[0] - half:.3f} to {ratios[0] + half:.3f}) |" in text


def test_a_network_without_the_fastest_is_a_gap() -> None:
    """It is a dash in the table, and missing from the ten."""
    made = records([0.8] * 10)
    del made[0]["rows"][0]["fastest"]
    text = against_peer(made)
    assert "| 1.000 (0.990 to 1.010) | - | - |" in text
    assert "By the fastest of eight, slower on none of ten: 0 of 9 shown to be slower, **not reached**" in text


def test_each_way_of_timing_is_a_line() -> None:
    """End to end, on the device, and the graph; what could not be measured is said below."""
    ways = [(True, False), (False, False), (False, True)]
    rows = [
        {"provider": "cuda", "transfers_included": first, "cuda_graph": graph, "p50_ms": 1.0, "images_per_second": 1000}
        for first, graph in ways
    ]
    ratio = {"ratio_p50": 0.5, "ratio_interval": [0.4, 0.6]}
    record = {"rows": rows, "against": {"rows": [{"p50_ms": 2.0}] * 3, "ratios": [ratio] * 3}}
    about = {"model": "m", "precision": "fp32", "batch": 8}
    made = [about | {"latency": record}, about | {"precision": "fp16", "not_measured": "no such option"}]
    text = slim_and_dense([RECORD | {"rows": made}])
    for way in ("end to end", "on device", "CUDA graph"):
        assert f"| m | cuda | fp32 | {way} | 8 | 2.000 | 1.000 | 0.500 (0.400 to 0.600) | 1,000 |" in text
    assert "- m, fp16, batch 8: not measured, no such option" in text


def test_torch_that_does_not_compile_is_a_gap() -> None:
    """A dash where there is no number."""
    dense = {"device_ms": 1.0, "end_to_end_ms": 2.0}
    row = {"model": "m", "kind": "eager", "precision": "fp32", "batch": 1, "dense": dense, "slim": {"not_measured": ""}}
    assert "| m | eager | fp32 | 1 | 1.000 | - | 2.000 | - |" in torch_rows([RECORD | {"rows": [row]}])
