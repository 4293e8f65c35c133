"""`replay.npz`: images to run on the target, and what the shipped file answers to them.

Probe images show that a runtime computes the same numbers. Adversarial images, those that broke the model and those
that nearly did, show that it gives the same answers where rounding matters most. Equal inputs give equal bytes: the
archive carries no time, no compression and no pickle.

Arrays: `schema`, `artefact_sha256` (text); `probe_images` (P, ...), `probe_labels` (P,) int64, -1 = unknown,
`probe_logits` (P, K) float32; `adversarial_images` (A, ...), `adversarial_labels` (A,) int64, `adversarial_threats`
(A,) text, `adversarial_logits` (A, K) float32; for people, what the few that broke it by most were made from:
`clean_rows` (C,) int64 of the adversarial images, `clean_images` (C, ...), `clean_logits` (C, K) float32. Images are as
the file takes them, or uint8 to be divided by 255.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from compressor.archive import npz_bytes, read_npz
from compressor.errors import EvidenceError

SCHEMA = "compress.replay/1"
MAX_BYTES = 16 << 20
"""Room for adversarial images; the rest of a bundle is a few megabytes."""

NUM_WORST = 6
"""Adversarial images that a report shows."""

Array = npt.NDArray[np.generic]

NO_ROWS = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adversarial:
    """Images that broke the model under one threat, or nearly did; the most telling first."""

    threat: str
    """As the certificate writes it: `linf:8/255`."""
    images: Array
    """(n, C, H, W) float32 in [0, 1], exactly as they were given to the file."""
    labels: npt.NDArray[np.int64]
    """(n,) the right answers."""
    clean: Array | None = None
    """(n, C, H, W), what they were made from, where that is at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """`replay.npz`, read back."""

    artefact_sha256: str
    """Digest of the file that gave the logits."""
    probe_images: Array
    probe_labels: npt.NDArray[np.int64]
    """-1 where the right answer is not known."""
    probe_logits: npt.NDArray[np.float32]
    adversarial_images: Array
    adversarial_labels: npt.NDArray[np.int64]
    adversarial_threats: tuple[str, ...]
    adversarial_logits: npt.NDArray[np.float32]
    clean_rows: npt.NDArray[np.int64]
    """Of the adversarial images, those whose clean image travels along; none in bundles of older versions."""
    clean_images: Array
    clean_logits: npt.NDArray[np.float32]


def replay_bytes(
    probes: Array,
    labels: npt.NDArray[np.int64] | None,
    adversarial: Sequence[Adversarial],
    *,
    answer: Callable[[Array], Array],
    artefact_sha256: str,
    max_bytes: int = MAX_BYTES,
) -> bytes:
    """Return the content of `replay.npz`.

    Args:
        probes: (P, C, H, W) uint8 or float32 in [0, 1]; at least one image. Stored as uint8 where that is exact.
        labels: (P,) right answers, or None when they are not known.
        adversarial: per threat; where they do not all find room, each threat keeps its first ones.
        answer: the shipped file on the CPU: (n, C, H, W) float32 -> (n, K) logits.
        artefact_sha256: digest of that file.
        max_bytes: room for the adversarial images.

    Returns:
        An npz archive; equal inputs give equal bytes.
    """
    shape, probes = probes.shape[1:], _as_stored(probes)
    room = max_bytes // max(1, 4 * int(np.prod(shape)) * max(1, len(adversarial)))
    kept = [part for part in adversarial if len(part.labels)]
    images = np.concatenate([np.zeros((0, *shape), np.float32), *(part.images[:room] for part in kept)])
    probe_logits = answer(as_input(probes)).astype(np.float32)
    logits = answer(as_input(images)).astype(np.float32) if len(images) else probe_logits[:0]
    threats = [part.threat for part in kept for _ in part.labels[:room]]
    unknown = np.full(len(probes), -1)
    answers = np.concatenate([unknown[:0], *(part.labels[:room] for part in kept)]).astype(np.int64)
    rows, clean = unknown[:0], probes[:0]
    if kept and all(part.clean is not None for part in kept):
        rows = worst_rows(logits, answers, threats)
        clean = _as_stored(np.concatenate([part.clean[:room] for part in kept if part.clean is not None])[rows])
    return npz_bytes(
        {
            "schema": np.array(SCHEMA),
            "artefact_sha256": np.array(artefact_sha256),
            "probe_images": probes,
            "probe_labels": (unknown if labels is None else labels).astype(np.int64),
            "probe_logits": probe_logits,
            "adversarial_images": images,
            "adversarial_labels": answers,
            "adversarial_threats": np.array(threats, dtype="U32"),
            "adversarial_logits": logits,
            "clean_rows": rows.astype(np.int64),
            "clean_images": clean,
            "clean_logits": answer(as_input(clean)).astype(np.float32) if len(rows) else logits[:0],
        }
    )


def worst_rows(
    logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], threats: Sequence[str], *, most: int = NUM_WORST
) -> npt.NDArray[np.int64]:
    """Return the rows that are answered wrong by the widest margin, of each threat in turn.

    Args:
        logits: (n, K) of the shipped file.
        labels: (n,) right answers.
        threats: (n,) names.
        most: rows to return at most.
    """
    if not len(labels):
        return labels
    margins = logits.max(1) - logits[np.arange(len(labels)), labels]
    order = [int(row) for row in np.argsort(-margins, kind="stable") if margins[row] > 0]
    ranked = {name: [row for row in order if threats[row] == name] for name in dict.fromkeys(threats)}
    in_turn = [row for turn in range(most) for found in ranked.values() for row in found[turn : turn + 1]]
    return np.array(in_turn[:most], dtype=np.int64)


def as_input(images: Array) -> Array:
    """Return stored images as the file takes them: uint8 becomes float32 in [0, 1], all else stays.

    `replay.py` does the same in the same way; both must give the same bits.
    """
    return images.astype(np.float32) / np.float32(255) if images.dtype == np.uint8 else images


def _as_stored(images: Array) -> Array:
    """Return images as uint8 where that loses nothing: it takes a quarter of the room."""
    rounded = images if images.dtype == np.uint8 else np.rint(images.astype(np.float64) * 255).astype(np.uint8)
    return rounded if np.array_equal(as_input(rounded), as_input(images)) else images


def read_replay(source: Path | bytes) -> Replay:
    """Read `replay.npz` back; it cannot run code.

    Raises:
        EvidenceError: not such a file.
    """
    advice = "the bundle is damaged: take a fresh copy"
    path = "replay.npz" if isinstance(source, bytes) else str(source)
    try:
        arrays = read_npz(source if isinstance(source, bytes) else source.read_bytes())
        if str(arrays["schema"]) != SCHEMA:
            raise EvidenceError(f"{path} is a {arrays['schema']}, not a {SCHEMA}", advice=advice)
        replay = Replay(
            artefact_sha256=str(arrays["artefact_sha256"]),
            probe_images=arrays["probe_images"],
            probe_labels=arrays["probe_labels"].astype(np.int64, casting="safe"),
            probe_logits=arrays["probe_logits"].astype(np.float32, casting="safe"),
            adversarial_images=arrays["adversarial_images"],
            adversarial_labels=arrays["adversarial_labels"].astype(np.int64, casting="safe"),
            adversarial_threats=tuple(str(threat) for threat in arrays["adversarial_threats"]),
            adversarial_logits=arrays["adversarial_logits"].astype(np.float32, casting="safe"),
            clean_rows=arrays.get("clean_rows", NO_ROWS).astype(np.int64, casting="safe"),
            clean_images=arrays.get("clean_images", arrays["probe_images"][:0]),
            clean_logits=arrays.get("clean_logits", arrays["probe_logits"][:0]).astype(np.float32, casting="safe"),
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise EvidenceError(f"{path} cannot be read: {error}", advice=advice) from error
    _check_lengths(replay, path)
    return replay


def _check_lengths(replay: Replay, path: str) -> None:
    """Refuse arrays that do not belong together."""
    probes = {len(replay.probe_images), len(replay.probe_labels), len(replay.probe_logits)}
    others = {
        len(array)
        for array in (replay.adversarial_images, replay.adversarial_labels, replay.adversarial_logits)
    } | {len(replay.adversarial_threats)}  # fmt: skip
    clean = {len(replay.clean_rows), len(replay.clean_images), len(replay.clean_logits)}
    outside = [row for row in replay.clean_rows if not 0 <= row < len(replay.adversarial_labels)]
    shapes = {replay.clean_images.shape[1:], replay.adversarial_images.shape[1:]}
    odd = len(clean) != 1 or outside or (len(replay.clean_rows) and (len(shapes) != 1 or len(shapes.pop()) != 3))
    if len(probes) != 1 or len(others) != 1 or odd or 0 in probes or replay.probe_logits.ndim != 2:
        raise EvidenceError(f"{path} holds arrays of different lengths", advice="take a fresh copy of the bundle")
