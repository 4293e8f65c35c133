"""The parts of a certificate's result: whose answers they are, and what each threat did."""

from compressor.certify.campaign import Campaign
from compressor.certify.certificate import Artefact, AttackResult, ThreatResult
from compressor.certify.fights import Fight
from compressor.certify.numbers import Numbers, ThreatNumbers
from compressor.certify.work import Party
from compressor.load.checkpoint import Checkpoint
from compressor.types import Precision


def curve_flags(fought: Campaign) -> list[str]:
    """Return the flags of the curve, each once, in the order in which they were raised."""
    return list(dict.fromkeys(flag.id for fight in fought.fights for flag in fight.flags))


def artefact_of(slim: Party, model: Checkpoint) -> Artefact:
    """Return what the certificate is about: the file that answered, or the torch model where there is none."""
    session = slim.twins.session
    if session is None:
        return Artefact(kind="torch", sha256=model.sha256)
    return Artefact(
        kind="onnx",
        sha256=str(slim.identity["artefact"]),
        precision=None if session.precision is Precision.FP32 else session.precision,
        takes_frames=session.takes_frames or None,
    )


def threat_results(numbers: Numbers, fought: Campaign, battery: str) -> tuple[ThreatResult, ...]:
    """Return the result of each threat that something is claimed of.

    Args:
        numbers: recomputed from the outcomes.
        fought: what was attacked, and how.
        battery: its name.
    """
    pairs = zip(numbers.threats, fought.fights, strict=True)
    return tuple(_threat_result(each, fight, battery, numbers, fought.decided_after) for each, fight in pairs)


def _threat_result(
    found: ThreatNumbers, fight: Fight, battery: str, numbers: Numbers, decided_after: int | None
) -> ThreatResult:
    return ThreatResult(
        norm=found.norm,
        epsilon=found.epsilon,
        battery=battery,
        battery_sha256=fight.attacks_sha256,
        robust_accuracy=found.robust_accuracy,
        interval=found.interval,
        confidence=numbers.confidence,
        interval_method=numbers.interval_method,
        decided_after=decided_after,
        num_forward=fight.slim.num_forward,
        num_backward=fight.slim.num_backward,
        attacks=tuple(
            AttackResult(
                name=one.name, settings=attack.settings, num_attempted=one.num_attempted, num_broken=one.num_broken
            )
            for one, attack in zip(found.attacks, fight.slim.attacks, strict=True)
        ),
        flags=fight.flags,
        audit=fight.audit,
        proved_accuracy=found.proved_accuracy,
        proof=found.proof,
    )
