"""What was proved beside the battery: one row per threat."""

from compressor.certify.certificate import ThreatResult
from compressor.certify.proof_result import ProofResult
from compressor.gate import wording
from compressor.report.summary import Summary
from compressor.report.tables import UNKNOWN, Table


def tables_of(summary: Summary) -> tuple[Table, ...]:
    """Return the table, or nothing where nothing was to be proved."""
    threats = summary.certificate.result.threats if summary.certificate else ()
    found = [(each, each.proof) for each in threats if each.proof is not None]
    if not found:
        return ()
    rows = tuple(
        (
            str(each.threat),
            _share(each.proved_accuracy),
            _share(each.robust_accuracy),
            _fall(proof),
            UNKNOWN if proof.smoothing is None else _share(proof.smoothing.certified_accuracy),
        )
        for each, proof in found
    )
    heads = ("threat", "proved %", "battery %", "margin falls by", "smoothed %")
    return (Table(title="Proved, and not broken", heads=heads, rows=rows, note=" ".join(_notes(found))),)


def _notes(found: list[tuple[ThreatResult, ProofResult]]) -> list[str]:
    methods = " and ".join(dict.fromkeys(proof.method for _, proof in found if proof.method is not None))
    notes = []
    if methods:
        notes.append(
            f"Robust accuracy lies between proved ({methods}, in real arithmetic, of the torch network) and battery."
        )
    reasons = dict.fromkeys(proof.out_of_reach for _, proof in found if proof.out_of_reach is not None)
    notes += [f"No proof: {reason}." for reason in reasons]
    falls = [proof.margin_fall for _, proof in found if proof.margin_fall is not None]
    if any(fall.p90 is not None for fall in falls):
        notes.append("Margin: by how many logits it can fall below dense's, for nine tenths of what dense has right.")
    notes += [
        f"No bound on margins: {reason}."
        for reason in dict.fromkeys(fall.out_of_reach for fall in falls)
        if reason is not None and reason not in reasons
    ]
    smooth = next((proof.smoothing for _, proof in found if proof.smoothing is not None), None)
    if smooth is not None:
        notes.append(
            f"Smoothed: another classifier, on {smooth.num_images} images, {wording.amount(smooth.num_draws)} draws "
            f"of noise with deviation epsilon, each certificate false with chance {smooth.alpha:g}."
        )
    return notes


def _share(share: float | None) -> str:
    return UNKNOWN if share is None else wording.percent(share).removesuffix(" %")


def _fall(proof: ProofResult) -> str:
    fall = proof.margin_fall
    return UNKNOWN if fall is None or fall.p90 is None else f"{fall.p90:.3g}"
