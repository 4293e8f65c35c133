"""What was proved of each image: arrays of `outcomes.npz`, and the numbers that they give.

Arrays, T claimed threats, N images: `proofs` JSON text (threats, methods, reasons, settings), `proved` (T, N) bool,
`margin_bounds` (T, N) float64 (lower bound on the right logit minus the largest other one within the threat; NaN where
none was sought), `margin_falls` (T, N) float64 (upper bound on the dense margin minus the slim one; NaN likewise),
`smoothed` (T, N) int8 (2 certified, 1 abstained, 0 neither, -1 not looked at; see `prove.smoothing`).
"""

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.archive import Arrays
from compressor.certify.intervals import Intervals
from compressor.certify.proof_result import MarginFall, ProofResult, Smoothing
from compressor.files import canonical_json

CERTIFIED, ABSTAINED, NOT_ASKED = 2, 1, -1
"""As in `prove.smoothing.Smoothed`; a reader of outcomes needs no torch for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseSettings:
    """How smoothing was done."""

    sigma: str
    num_choosing: int
    num_draws: int
    alpha: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ThreatProof:
    """What was proved under one threat."""

    threat: str
    method: str | None
    out_of_reach: str | None
    proved: NDArray[np.bool_]
    """(N,) right, and proved to stay right."""
    bounds: NDArray[np.float64]
    """(N,) lower bounds on the margin; NaN where none was sought: wrong images, or out of reach."""
    falls: NDArray[np.float64] | None
    """(N,) upper bounds on the fall of the margin; NaN where the dense model is wrong. None without a dense model."""
    falls_out_of_reach: str | None
    noise: NoiseSettings | None
    """None where nothing was smoothed."""
    smoothed: NDArray[np.int8]
    """(N,)"""

    def result(self, intervals: Intervals) -> ProofResult:
        """Return every number that follows."""
        num_proved = int(self.proved.sum())
        is_known = self.out_of_reach is None
        return ProofResult(
            method=self.method,
            num_proved=num_proved,
            interval=intervals.share(num_proved, len(self.proved)) if is_known else None,
            out_of_reach=self.out_of_reach,
            margin_fall=self._fall(),
            smoothing=self._smoothing(intervals),
        )

    @property
    def proved_accuracy(self) -> float | None:
        """Return the share of all images that is proved; None where out of reach."""
        return float(self.proved.mean()) if self.out_of_reach is None else None

    def _fall(self) -> MarginFall | None:
        if self.falls is None:
            return None
        known = np.sort(self.falls[~np.isnan(self.falls)])
        median, p90 = (
            (float(known[math.ceil(share * len(known)) - 1]) if len(known) else None) for share in (0.5, 0.9)
        )
        return MarginFall(num_images=len(known), median=median, p90=p90, out_of_reach=self.falls_out_of_reach)

    def _smoothing(self, intervals: Intervals) -> Smoothing | None:
        asked = self.smoothed[self.smoothed != NOT_ASKED]
        if self.noise is None or not len(asked):
            return None
        num_certified = int((asked == CERTIFIED).sum())
        return Smoothing(
            sigma=self.noise.sigma,
            num_choosing=self.noise.num_choosing,
            num_draws=self.noise.num_draws,
            alpha=self.noise.alpha,
            num_images=len(asked),
            num_abstained=int((asked == ABSTAINED).sum()),
            certified_accuracy=num_certified / len(asked),
            interval=intervals.share(num_certified, len(asked)),
        )


def proof_arrays(proofs: tuple[ThreatProof, ...]) -> Arrays:
    """Return what goes into `outcomes.npz`; nothing where nothing was asked for."""
    if not proofs:
        return {}
    nothing = np.full(len(proofs[0].proved), np.nan)
    told = [
        {
            "threat": each.threat,
            "method": each.method,
            "out_of_reach": each.out_of_reach,
            "has_falls": each.falls is not None,
            "falls_out_of_reach": each.falls_out_of_reach,
            "noise": None
            if each.noise is None
            else [each.noise.sigma, each.noise.num_choosing, each.noise.num_draws, each.noise.alpha],
        }
        for each in proofs
    ]
    return {
        "proofs": np.array(canonical_json(told).decode()),
        "proved": np.stack([each.proved for each in proofs]),
        "margin_bounds": np.stack([each.bounds for each in proofs]),
        "margin_falls": np.stack([nothing if each.falls is None else each.falls for each in proofs]),
        "smoothed": np.stack([each.smoothed for each in proofs]),
    }


def read_proofs(arrays: Arrays, *, num_images: int) -> tuple[ThreatProof, ...]:
    """Return what `proof_arrays` wrote.

    Raises:
        ValueError: arrays that do not belong together.
        KeyError: one of them is missing.
    """
    if "proofs" not in arrays:
        return ()
    told: Any = json.loads(str(arrays["proofs"]))
    proved, smoothed = arrays["proved"].astype(np.bool_), arrays["smoothed"].astype(np.int8)
    bounds, falls = arrays["margin_bounds"].astype(np.float64), arrays["margin_falls"].astype(np.float64)
    if {each.shape for each in (proved, smoothed, bounds, falls)} != {(len(told), num_images)}:
        raise ValueError("its proofs are of other images, or of other threats")
    if (proved & ~np.greater(bounds, 0.0)).any():
        raise ValueError("images count as proved whose bound does not say so")
    return tuple(
        ThreatProof(
            threat=str(each["threat"]),
            method=each["method"],
            out_of_reach=each["out_of_reach"],
            proved=proved[number],
            bounds=bounds[number],
            falls=falls[number] if each["has_falls"] else None,
            falls_out_of_reach=each["falls_out_of_reach"],
            noise=None if each["noise"] is None else _noise(*each["noise"]),
            smoothed=smoothed[number],
        )
        for number, each in enumerate(told)
    )


def _noise(sigma: str, num_choosing: int, num_draws: int, alpha: float) -> NoiseSettings:
    return NoiseSettings(sigma=sigma, num_choosing=num_choosing, num_draws=num_draws, alpha=alpha)
