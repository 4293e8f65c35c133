"""What the measurement suggests, in words and as options that can be pasted."""

import glob
import shlex
from dataclasses import replace

from compressor.attacks.threat import Threat, parse_threat
from compressor.gate import wording
from compressor.sensitivity.record import Layer, Sensitivity, by_drop, layers_of
from compressor.types import Structure

NUM_NAMED = 3
PLACEHOLDER = "CKPT"

CAVEAT = (
    "Measured without fine-tuning: it shows where pruning hurts first, not what fine-tuning wins back. FGSM is a "
    "single step and bounds robust accuracy from above: a rise is no proof of robustness, see compress certify."
)


def most_sensitive(record: Sensitivity) -> tuple[Layer, ...]:
    """Return the groups, at most three, whose pruning alone cost most; those that cost nothing are not named."""
    ranked = by_drop(layers_of(record, Structure.FILTERS))
    return tuple(layer for layer in ranked[:NUM_NAMED] if layer.mean_drop > 0)


def findings(record: Sensitivity) -> tuple[str, ...]:
    """Return what was found, a sentence each: the most sensitive groups, and the block that costs least."""
    found = []
    named = most_sensitive(record)
    if named:
        found.append(f"Most sensitive: {'; '.join(_words(layer) for layer in named)}.")
        for layer in named:
            module, also = _handle(record, layer)
            if also:
                found.append(f"Options that name {module} mean {' and '.join(also)} too, which it shares layers with.")
    elif layers_of(record, Structure.FILTERS):
        found.append("No group of filters lost accuracy on average.")
    blocks = by_drop(layers_of(record, Structure.BLOCKS))
    if blocks:
        (row,) = blocks[-1].rows
        found.append(
            f"Of the blocks, {blocks[-1].name} costs least: {_lost(blocks[-1].mean_drop)}, for "
            f"{wording.percent(row.macs_saved_fraction)} of the multiply-adds."
        )
    if record.fgsm_accuracy <= 1 / record.num_classes:
        found.append(
            f"Under FGSM at {record.threat} the dense model itself is not above chance, so a fall there says "
            f"little: measure with a smaller one, such as --threat {_smaller(record.threat)}."
        )
    return tuple(found)


def commands(record: Sensitivity, checkpoint: str = PLACEHOLDER) -> tuple[str, ...]:
    """Return the next commands: keep the most sensitive groups whole, or prune them at the lowest measured ratio.

    Args:
        record: what was measured.
        checkpoint: its path, as the person gave it.
    """
    named = most_sensitive(record)
    if not named:
        return ()
    globs = {layer.name: glob.escape(_handle(record, layer)[0]) for layer in named}
    head = f"compress prune {shlex.quote(checkpoint)} --ratio 0.5"
    keep = " ".join(f"--keep {shlex.quote(globs[layer.name])}" for layer in named)
    gently = " ".join(f"--ratio-for {shlex.quote(f'{globs[layer.name]}={layer.rows[0].ratio:g}')}" for layer in named)
    return f"{head} {keep}", f"{head} {gently}"


def _handle(record: Sensitivity, layer: Layer) -> tuple[str, tuple[str, ...]]:
    """Return the module whose name means this group to an option, and other groups that it means too.

    A residual stream that widens is several groups in the same layers, so a module may stand for more than one.
    """
    others = [other for other in layers_of(record, Structure.FILTERS) if other.name != layer.name]

    def also(module: str) -> tuple[str, ...]:
        return tuple(other.name for other in others if module in other.rows[0].layers)

    module = min(layer.rows[0].layers, key=lambda module: (len(also(module)), module != layer.name))
    return module, also(module)


def _words(layer: Layer) -> str:
    last = layer.rows[-1]
    saved = f"{wording.percent(last.macs_saved_fraction)} of the multiply-adds at {last.ratio:.0%}"
    return f"{layer.name}{together(layer)}, {_lost(layer.mean_drop)} on average ({saved})"


def _smaller(threat: str) -> Threat:
    """Return the threat with a quarter of its epsilon."""
    given = parse_threat(threat)
    return replace(given, epsilon=given.epsilon / 4)


def _lost(drop: float) -> str:
    return f"{wording.points(abs(drop))} {'lost' if drop > 0 else 'won'}" if drop else "nothing lost"


def together(layer: Layer) -> str:
    """Return ` (+9)` for a group whose units nine other layers make too; nothing where one layer makes them."""
    others = len(layer.rows[0].layers) - 1
    return f" (+{others})" if others and layer.rows[0].structure is Structure.FILTERS else ""
