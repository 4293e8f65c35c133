"""Were the attacks those of the battery that is named, and do the words say what the numbers say?"""

from collections.abc import Iterator, Mapping

from compressor.bundle.names import CERTIFICATE, CONTROL, LATENCY, PARITY, TRIALS
from compressor.certify.battery import BATTERIES, TRANSFER, Assault, digest_of_attacks
from compressor.certify.certificate import Certificate, Result, ThreatResult
from compressor.certify.claim import claim_text, curve_flags_of
from compressor.certify.numbers import differences, stated_numbers
from compressor.certify.statistics import clopper_pearson
from compressor.errors import CertifyError
from compressor.records import parse, tool_version
from compressor.verify.opened import Opened
from compressor.verify.record import Found, Status

SHOWN = 5
"""Problems named in one sentence."""

UNFOLLOWED = {
    CERTIFICATE: (
        "seed, data.spec, data.split, data.roles_used, data.duplicates_with_train, searched, flags, num_audited and "
        "num_broken of audits, num_forward, num_backward, run"
    ),
    CONTROL: "all that needs its outcomes, which are not in the bundle",
    PARITY: "num_images, batches, max_abs, max_rel, agreement, accuracy_torch, accuracy_onnx",
    LATENCY: "all times",
    TRIALS: "all figures, which are about select images",
}
"""What the files of a bundle do not allow to be computed again, by the record that states it."""


def certificates_of(opened: Opened) -> dict[str, Certificate]:
    """Return the certificate and that of the control, by file name."""
    found = {CERTIFICATE: opened.certificate} if opened.is_certified else {}
    if CONTROL in opened.bundle.names:
        found[CONTROL] = parse(opened.path(CONTROL).read_bytes(), Certificate, source=CONTROL)
    return found


def check_battery(opened: Opened) -> Found:
    """Fit the named battery to each threat, and compare with the attacks that are listed, and with their digest."""
    certificates = certificates_of(opened)
    if not any(each.result.threats for each in certificates.values()):
        return Status.NOT_CHECKED, "no threat was attacked by a battery"
    num_classes = opened.checkpoint.num_classes
    wrong: list[str] = []
    lists: set[str] = set()
    versions: set[str] = set()
    for name, certificate in certificates.items():
        for threat in certificate.result.threats:
            where = f"{name}, {threat.threat}: "
            wrong += [where + problem for problem in _at_odds(threat, certificate.result)]
            if threat.battery not in BATTERIES:
                lists.add(threat.battery)
            elif not is_of_battery(threat, num_classes):
                if certificate.tool_version == tool_version():
                    wrong.append(f"{where}the attacks are not those of the battery {threat.battery!r}")
                else:
                    versions.add(certificate.tool_version)
    if wrong:
        return Status.CONTRADICTED, "; ".join(wrong[:SHOWN])
    if versions:
        detail = f"the attacks are not those of that battery here; version {', '.join(sorted(versions))} made it"
        return Status.NOT_CHECKED, detail
    if lists:
        detail = f"the attacks have the digests beside them; {', '.join(sorted(lists))} is not here to compare"
        return Status.CONSISTENT, detail
    used = ", ".join(dict.fromkeys(each.battery for one in certificates.values() for each in one.result.threats))
    return Status.RECOMPUTED, f"{used}, fitted to each threat and {num_classes} classes, gives the attacks and digests"


def is_of_battery(threat: ThreatResult, num_classes: int) -> bool:
    """Say whether the attacks of a threat are those of the known battery that it names, setting by setting."""
    try:
        fitted = BATTERIES[threat.battery].fitted(threat.threat, num_classes)
    except (KeyError, CertifyError):
        return False
    return digest_of_attacks(fitted, threat.threat) == digest_of_attacks(_listed(threat), threat.threat)


def _listed(threat: ThreatResult) -> tuple[Assault, ...]:
    """Return the attacks of a certificate, without the transfer before them, which no battery lists."""
    attacks = tuple(Assault(name=each.name, settings=each.settings) for each in threat.attacks)
    return attacks[1:] if attacks and attacks[0].name == TRANSFER else attacks


def _at_odds(threat: ThreatResult, result: Result) -> Iterator[str]:
    """Yield what one threat's own figures contradict."""
    if digest_of_attacks(_listed(threat), threat.threat) != threat.battery_sha256:
        yield "the attacks listed do not have the digest that stands beside them"
    transfers = [each.settings for each in threat.attacks if each.name == TRANSFER]
    expected = [] if result.baseline is None else [{"source": result.baseline.sha256}]
    if transfers != expected or (expected and threat.attacks[0].name != TRANSFER):
        yield (
            "the images of the baseline were not replayed first" if expected else "images of no baseline were replayed"
        )
    if (threat.confidence, threat.interval_method) != (result.confidence, result.interval_method):
        yield f"its interval is called {threat.interval_method} at {threat.confidence}, unlike all others"
    if threat.decided_after not in (None, result.data.num_images):
        yield f"decided after {threat.decided_after} images, and {result.data.num_images} are certified"
    if (audit := threat.audit) is not None:
        interval = clopper_pearson(audit.num_broken, audit.num_audited, result.confidence)
        if differences("", list(audit.interval), list(interval)):
            yield f"{audit.num_broken} of {audit.num_audited} audited do not give the interval beside them"


def check_claim(opened: Opened) -> Found:
    """Write the claim again from the numbers, and compare."""
    certificates = certificates_of(opened)
    if not certificates:
        return Status.NOT_CHECKED, "the bundle was only exported: there is none"
    other = [name for name, each in certificates.items() if each.result.claim != _claim_again(each.result)]
    if not other:
        return Status.RECOMPUTED, f"the claim of {' and '.join(certificates)} says what the numbers say"
    made_by = {certificates[name].tool_version for name in other}
    if tool_version() in made_by:
        return Status.CONTRADICTED, f"the claim of {' and '.join(other)} is not what its numbers give"
    detail = f"the claim of {' and '.join(other)} is worded by version {', '.join(made_by)}: believe the numbers"
    return Status.NOT_CHECKED, detail


def _claim_again(result: Result) -> str:
    """Write a claim anew; which flags a curve raised is only told there, and taken from it."""
    flags = curve_flags_of(result.claim)
    return claim_text(result.artefact, stated_numbers(result), result.threats, result.searched, curve_flags=flags)


def check_unfollowed(opened: Opened) -> Found:
    """Say which figures nobody can compute again from the files, so that they rest on the maker's word."""
    there: Mapping[str, str] = {name: what for name, what in UNFOLLOWED.items() if name in opened.bundle.names}
    return Status.NOT_CHECKED, "; ".join(f"{name}: {what}" for name, what in there.items()) or "nothing"
