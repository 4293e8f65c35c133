"""Follow every statement of a bundle as far as its own files, and the verifier's data, allow."""

import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path

from compressor.bundle import Bundle, open_bundle
from compressor.errors import MachineError, OptionError, Undecided, UntrustedPickle
from compressor.gate.policy import read_policy
from compressor.progress import SILENT, Progress
from compressor.types import Decision
from compressor.verify.attacked import check_battery, check_claim, check_unfollowed
from compressor.verify.identity import (
    check_attestation,
    check_authenticity,
    check_digests,
    check_labels,
    check_script,
    check_subject,
    check_words,
    read_digest,
)
from compressor.verify.judgement import (
    UNREADABLE,
    check_adversarial,
    check_outcomes,
    check_policy,
    check_result,
    check_verdict,
    decision_by,
    own_decision,
)
from compressor.verify.model import check_checkpoint, check_export, check_plan, check_replay, check_twin
from compressor.verify.opened import Opened, read_arch
from compressor.verify.recheck import check_data, check_recheck, find_images
from compressor.verify.record import Check, Found, Status, VerifyReport, contradicted
from compressor.verify.signature import check_signature, read_public_key

CHECKS: dict[str, Callable[[Opened], Found]] = {
    "one model": check_subject,
    "checkpoint": check_checkpoint,
    "plan": check_plan,
    "export": check_export,
    "parity": check_twin,
    "replay": check_replay,
    "certificate": check_result,
    "outcomes": check_outcomes,
    "adversarial": check_adversarial,
    "battery": check_battery,
    "claim": check_claim,
    "verdict": check_verdict,
    "labels": check_labels,
    "attestation": check_attestation,
    "script": check_script,
    "words": check_words,
    "unfollowed": check_unfollowed,
}
"""What is looked at, in this order, once the digests hold."""

SIGNATURE, AUTHENTICITY = "signature", "authenticity"


def verify(
    bundle: Path | str,
    *,
    policy: Path | str | None = None,
    expect_digest: str | None = None,
    public_key: Path | None = None,
    data: str | None = None,
    recheck: int = 0,
    arch: str | None = None,
    seed: int | None = None,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> VerifyReport:
    """Verify a bundle.

    Args:
        bundle: its folder.
        policy: the verifier's own; the bundle does not hold for them unless it is met, as of the time of the verdict.
        expect_digest: the bundle digest that they were told by another way. Without it, whoever made all files anew
            would not be noticed, unless there is a signature.
        public_key: of the signer, in PEM form; a signature by it must stand beside.
        data: a data spec that holds the images of the certificate; they are recognised by their digests.
        recheck: how many of them to attack anew.
        arch: the architecture of the checkpoint, for one that is built by code of the verifier's own.
        seed: of those attacks; None draws one. Whoever made the bundle must not know it.
        device: where they are computed.
        progress: listener.

    Returns:
        The report; `holds` is False if anything is contradicted. Files that cannot be read are contradictions too.

    Raises:
        BundleError: not a bundle's folder.
        OptionError: an expected digest or a public key that is none, or a recheck without data.
        PolicyError: the verifier's policy cannot be judged by.
        DataError: the data cannot be used, or holds none of the images.
        LoadError: an architecture that names nothing.
        MachineError: this machine cannot run the model, or lacks the tool that reads signatures.
    """
    expected, key, arch = read_digest(expect_digest), read_public_key(public_key), read_arch(arch)
    own = read_policy(policy) if policy else None
    if recheck < 0 or (recheck and data is None):
        raise OptionError(
            f"--recheck {recheck} cannot be done" + ("" if data else " without --data"),
            advice="give the images of the certificate with --data, and how many to attack with --recheck",
        )
    folder = open_bundle(Path(bundle))
    digests = _look("digests", partial(check_digests, folder))
    if digests.status is Status.CONTRADICTED:
        why = "the files are not the ones that were listed"
        names = (SIGNATURE, AUTHENTICITY, *CHECKS)
        skipped = (Check(name=name, status=Status.NOT_CHECKED, detail=why) for name in names)
        return _report(folder, (digests, *skipped), decision=None, demanded=None)
    opened = Opened(folder, arch=arch)
    signature = _look(SIGNATURE, partial(check_signature, folder, key))
    is_signed = signature.status is Status.RECOMPUTED
    authentic = _look(AUTHENTICITY, partial(check_authenticity, folder, expected, is_signed=is_signed))
    checks, is_dated = [digests, signature, authentic], is_signed or authentic.status is Status.RECOMPUTED
    with progress.stage("verify", total=len(CHECKS), unit="check") as step:
        for name, check in CHECKS.items():
            checks.append(_look(name, partial(check, opened)))
            step.advance(1, f"{name}: {checks[-1].status}")
    if own is not None:
        checks.append(_look("your policy", partial(check_policy, own, opened, is_dated=is_dated)))
    checks += _with_data(opened, tuple(checks), data, recheck, seed=seed, device=device, progress=progress)
    decision, demanded = own_decision(opened), decision_by(own, opened, is_dated=is_dated)
    return _report(folder, tuple(checks), decision=decision, demanded=demanded, key=key if is_signed else None)


def _with_data(
    opened: Opened,
    before: tuple[Check, ...],
    data: str | None,
    recheck: int,
    *,
    seed: int | None,
    device: str,
    progress: Progress,
) -> tuple[Check, ...]:
    """Make the checks that need images. What is wrong with the verifier's own data is raised."""
    reason = "there is no certificate" if not opened.is_certified else "the bundle does not hold anyway"
    if data is None:
        reason = "no --data was given"
    if data is None or not opened.is_certified or contradicted(before):
        return tuple(Check(name=name, status=Status.NOT_CHECKED, detail=reason) for name in ("data", "recheck"))
    match = find_images(opened, data, progress=progress)
    clean = _made("data", check_data(opened, match))
    if recheck == 0:
        return clean, Check(name="recheck", status=Status.NOT_CHECKED, detail="no --recheck was asked for")
    drawn = secrets.randbelow(2**31) if seed is None else seed
    again = check_recheck(opened, match, num=recheck, seed=drawn, device=device, progress=progress)
    return clean, _made("recheck", again)


def _look(name: str, check: Callable[[], Found]) -> Check:
    """Make one check of the bundle's own files; what cannot be read is a contradiction.

    Raises:
        MachineError: it is this machine's fault.
        Undecided: the time limit was reached.
    """
    try:
        return _made(name, check())
    except (MachineError, Undecided):
        raise
    except UntrustedPickle as error:
        return _made(name, (Status.NOT_CHECKED, f"{error.message}; {error.advice}"))
    except UNREADABLE as error:
        return _made(name, (Status.CONTRADICTED, f"cannot be followed: {error or type(error).__name__}"))


def _made(name: str, found: Found) -> Check:
    return Check(name=name, status=found[0], detail=found[1])


def _report(
    bundle: Bundle,
    checks: tuple[Check, ...],
    *,
    decision: Decision | None,
    demanded: Decision | None,
    key: Path | None = None,
) -> VerifyReport:
    """Draw the conclusion."""
    against = contradicted(checks)
    told = any(check.name == AUTHENTICITY and check.status is Status.RECOMPUTED for check in checks)
    authentic = told or key is not None
    if against:
        conclusion = "does not hold: " + ", ".join(check.name for check in against)
    else:
        conclusion = "consistent and authentic" if authentic else "consistent, not authentic"
        conclusion += "" if key is None else f", signed by {key}"
        conclusion += f"; its own verdict is {decision}" if decision else "; it was exported and not judged"
        conclusion += "; your policy is met" if demanded else ""
    return VerifyReport(
        bundle=str(bundle.folder),
        digest=bundle.digest,
        decision=decision,
        demanded=demanded,
        authentic=authentic and not against,
        holds=not against,
        checks=checks,
        conclusion=conclusion,
    )
