"""Made-up trials of a search."""

from typing import Any

from compressor.search.record import Judged, Profile, Rung, Standing, Trial
from compressor.types import Decision, Structure


def rung(name: str, accuracy: float | None = None, robust_accuracy: float | None = None, **changes: Any) -> Rung:
    """Return an examination of a second."""
    made: dict[str, Any] = {"num_images_trained": 0, "num_passes": 0, "seconds": 1.0, "cpu_seconds": 1.0}
    return Rung(name=name, accuracy=accuracy, robust_accuracy=robust_accuracy, **{**made, **changes})


def condition(name: str = "accuracy.min", found: float = 0.8, limit: float = 0.9, **changes: Any) -> Judged:
    """Return a condition that is ten points short."""
    made: dict[str, Any] = {"decision": Decision.FAILED, "shortfall": limit - found}
    return Judged(id=name, found=found, limit=limit, **{**made, **changes})


def trial(number: int = 1, *, cost: float | None = 0.5, standing: Standing = Standing.PASSED, **changes: Any) -> Trial:
    """Return a candidate that came to a judgement."""
    made: dict[str, Any] = {
        "heat": number, "worker": "here:1", "structure": Structure.FILTERS, "criterion": "l1", "profile": Profile.EVEN,
        "amount": cost or 0.5, "cut_sha256": f"cut {number}", "macs": round(1000 * (cost or 0.5)), "params": 100,
        "num_bytes": None, "p50_ms": None, "dense_p50_ms": None,
        "rungs": (rung("cut"), rung("one-shot", 0.3), rung("short", 0.6), rung("full", 0.9), rung("attack")),
        "accuracy": 0.9, "robust": {"linf:1/16": 0.5}, "dense_robust": {"linf:1/16": 0.6}, "num_images": 100,
        "conditions": (), "flags": (), "shortfall": 0.0 if standing is Standing.PASSED else 0.1, "why": "because",
        "seconds": 5.0,
    }  # fmt: skip
    return Trial(number=number, cost=cost, standing=standing, **{**made, **changes})
