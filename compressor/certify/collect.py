"""From fights to the record of what happened to each image."""

import numpy as np
from numpy.typing import NDArray

from compressor.certify.corruption_outcome import CorruptionOutcome
from compressor.certify.fights import Fight
from compressor.certify.intervals import Intervals
from compressor.certify.outcomes import Outcomes, ReplayImages, ThreatOutcome
from compressor.certify.proof_outcome import ThreatProof
from compressor.certify.twins import Reply
from compressor.certify.work import Work


def outcomes_of(
    work: Work,
    reply: Reply,
    fights: list[Fight],
    *,
    num_classes: int,
    dense: tuple[str, Reply] | None,
    is_claimed: bool,
    intervals: Intervals,
    corruptions: CorruptionOutcome | None = None,
    proofs: tuple[ThreatProof, ...] = (),
) -> Outcomes:
    """Return what happened to each image.

    Args:
        work: the images.
        reply: clean answers of the slim model and its file.
        fights: one per threat, or per point of the curve.
        num_classes: of the model.
        dense: digest and clean answers of the model as delivered, or None.
        is_claimed: False for a curve.
        intervals: of which kind every interval is.
        corruptions: what they did, where they were asked for.
        proofs: one per threat, where they were asked for.
    """
    given = work.images.class_names
    names = tuple(given[label] if label < len(given) else str(label) for label in range(num_classes))
    return Outcomes(
        names=work.images.names,
        digests=tuple(work.images.digest(index) for index in range(len(work.images))),
        labels=np.asarray(work.images.labels, dtype=np.int64),
        class_names=names,
        logits=reply.shipped,
        twin_answers=reply.twin.argmax(1),
        dense_logits=None if dense is None else dense[1].twin,
        dense_sha256=None if dense is None else dense[0],
        intervals=intervals,
        threats=tuple(
            ThreatOutcome(
                threat=str(fight.slim.threat),
                is_claimed=is_claimed,
                attacks=tuple(attack.name for attack in fight.slim.attacks),
                slim=fight.slim.broken_by,
                dense=None if fight.dense is None else _shifted(fight.dense.broken_by),
            )
            for fight in fights
        ),
        corruptions=corruptions,
        proofs=proofs,
        replay=_replay(work, fights if is_claimed else []),
    )


def _shifted(broken_by: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the dense model's outcomes in the slim model's list of attacks, which begins with the transfer."""
    return np.where(broken_by >= 0, broken_by + 1, broken_by).astype(np.int16)


def _replay(work: Work, fights: list[Fight]) -> ReplayImages:
    shown = [(fight.slim, index) for fight in fights for index in fight.slim.gallery.shown()]
    exhibits = [siege.gallery.exhibits[index] for siege, index in shown]
    images = [exhibit.image for exhibit in exhibits]
    none = np.zeros((0, *work.images.shape), dtype=np.float32)
    return ReplayImages(
        threats=tuple(str(siege.threat) for siege, _ in shown),
        images=np.stack(images) if images else none,
        clean=work.images.read([index for _, index in shown]).numpy() if shown else none,
        labels=np.array([work.images.labels[index] for _, index in shown], dtype=np.int64),
        twin_answers=np.array([exhibit.twin_answer for exhibit in exhibits], dtype=np.int64),
        shipped_answers=np.array([exhibit.shipped_answer for exhibit in exhibits], dtype=np.int64),
    )
