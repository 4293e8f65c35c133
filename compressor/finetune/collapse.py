"""Catastrophic overfitting: training on one-step attacks may suddenly defend against nothing but one-step attacks.

Source: Wong et al., arXiv 2001.03994: within an epoch accuracy under PGD falls to zero while accuracy under the attack
of training rises. So it is watched on the select images, under several steps.
"""

from collections.abc import Sequence

from compressor.finetune.history import Epoch

SHARE = 0.5
"""Robust accuracy below this share of the best so far is a collapse ..."""
LEAST = 0.1
"""... when it is at least this much below it: less may be the noise of a few hundred images."""


def collapse(rows: Sequence[Epoch]) -> str | None:
    """Return a sentence about the first epoch in which robust accuracy collapsed; None where it did not."""
    best = 0.0
    for row in rows:
        found = row.select_robust_accuracy
        if found is None:
            continue
        if found < SHARE * best and best - found >= LEAST:
            return (
                f"catastrophic overfitting in epoch {row.number}: accuracy under the attack of several steps fell from "
                f"{best:.1%} to {found:.1%} of select images"
            )
        best = max(best, found)
    return None
