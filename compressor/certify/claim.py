"""What a certificate says in words, and what it does not say."""

import re
from collections.abc import Sequence

from compressor.attacks.table import BY_ANSWERS
from compressor.certify.battery import Assault, holds_autoattack
from compressor.certify.certificate import Artefact, Searched, ThreatResult
from compressor.certify.intervals import IntervalMethod
from compressor.certify.numbers import Numbers

NO_THREAT = "No threat was named, so nothing is claimed about robustness."
CURVE_FLAGS = "Flags were raised ({}): the search may have been fooled, and the curve be too high."
METHODS = {
    str(IntervalMethod.CLOPPER_PEARSON): "Clopper-Pearson",
    str(IntervalMethod.CONFIDENCE_SEQUENCE): "a confidence sequence, which allows looking early",
}


def claim_text(
    artefact: Artefact,
    numbers: Numbers,
    threats: Sequence[ThreatResult],
    searched: Searched | None = None,
    *,
    curve_flags: Sequence[str] = (),
) -> str:
    """Return one honest paragraph.

    Args:
        artefact: the file, or the torch model.
        numbers: what was found.
        threats: what is claimed; empty: nothing.
        searched: where it was chosen among others.
        curve_flags: ids of the flags that the checks raised where no threat was named.
    """
    attacked = _robust(artefact, numbers, threats) if threats else _curve(numbers, curve_flags)
    return " ".join([_clean(artefact, numbers), *attacked, *_corrupted(numbers), *_chosen(searched)])


def _chosen(searched: Searched | None) -> list[str]:
    if searched is None:
        return []
    return [
        f"A search chose it among {searched.num_candidates:,} candidate{'' if searched.num_candidates == 1 else 's'}, "
        f"which were judged on {searched.role} images; {_tested(searched.num_tested_before)}."
    ]


def _tested(num_before: int | None) -> str:
    if num_before is None:
        return "of these candidates it alone met the test images"
    others = "another winner" if num_before == 1 else f"{num_before} other winners"
    return f"{others} of this search met the test images before it, so that they are not fresh"


def _clean(artefact: Artefact, numbers: Numbers) -> str:
    where = "under onnxruntime on the CPU" if artefact.kind == "onnx" else "under torch"
    subject = f"{artefact.precision or ''} ONNX file".strip() if artefact.kind == "onnx" else "torch model"
    covered = (
        " It covers this file under onnxruntime; what another runtime makes of it, such as a TensorRT engine, is "
        "covered only by its own replay."
    )
    return (
        f"This certificate is about the {subject} with sha256 {artefact.sha256}. Run {where}, it answers "
        f"{numbers.clean_accuracy:.1%} of {numbers.num_images:,} test images right."
        f"{covered if artefact.kind == 'onnx' else ''}"
    )


def _robust(artefact: Artefact, numbers: Numbers, threats: Sequence[ThreatResult]) -> list[str]:
    found = ", ".join(f"{each.robust_accuracy:.1%} under {each.norm}:{each.epsilon}" for each in threats)
    batteries = " and ".join(dict.fromkeys(each.battery for each in threats))
    sentences = [
        f"The share that is right and stays right under every attack of the battery {batteries} is {found}.",
        "This is empirical and not a proof: a battery bounds robust accuracy from above, and a stronger attack may "
        "find less.",
        f"The {numbers.confidence:.0%} intervals ({METHODS[numbers.interval_method]}) cover the sampling of "
        "images only: what other images, drawn as these were, would give under the same attacks.",
    ]
    if artefact.kind == "onnx":
        sentences.append(
            "Gradients came from the torch model that the file was exported from; what they found was replayed on the "
            f"file, {_asked(threats)}and an image counts as robust only if neither ever answered it wrong."
        )
        if artefact.precision is not None:
            sentences.append(
                f"The file computes in {artefact.precision}, which the gradients of its float32 twin cannot see."
            )
        if artefact.takes_frames:
            sentences.append("It takes raw frames: each value of an image was rounded to the nearest byte before it.")
    if all(_is_autoattack(each) for each in threats):
        sentences.append(
            "The battery holds the four components of AutoAttack standard at its settings (APGD-CE 100, APGD-T 9 x "
            "100, FAB-T 9 x 100, Square 5,000), in code of this tool, not the reference's, and behind cheaper attacks."
        )
    sentences += [f"Audit at {each.threat}: {each.audit_words()}." for each in threats if each.audit is not None]
    sentences += _proved(threats)
    flags = ", ".join(dict.fromkeys(flag.id for each in threats for flag in each.flags))
    if flags:
        sentences.append(f"Flags were raised ({flags}): the attacks may have been fooled, and the figures be too high.")
    return sentences


def _asked(threats: Sequence[ThreatResult]) -> str:
    """Return who asked the file, where anyone did: attacks of torchattacks ask the torch model for answers, too."""
    names = list(dict.fromkeys(each.name for threat in threats for each in threat.attacks if each.name in BY_ANSWERS))
    if not names:
        return ""
    need = "needs" if len(names) == 1 else "need"
    return f"{' and '.join(names)}, which {need} answers only, asked the file itself, "


def _proved(threats: Sequence[ThreatResult]) -> list[str]:
    """Return what is proved, what is not, and what smoothing is about."""
    proofs = [(f"{each.norm}:{each.epsilon}", each, each.proof) for each in threats if each.proof is not None]
    if not proofs:
        return []
    proved = ", ".join(
        f"at least {each.proved_accuracy:.1%} (proved) and at most {each.robust_accuracy:.1%} (battery) under {name}"
        for name, each, _ in proofs
        if each.proved_accuracy is not None
    )
    sentences = []
    if proved:
        sentences.append(
            f"The share of these images that nothing within the threat can turn wrong is {proved}. The lower end comes "
            "from linear bounds (CROWN), a proof about the torch network and its weights as real numbers: it does not "
            "cover rounding, nor what a runtime makes of the file."
        )
    reasons = dict.fromkeys(proof.out_of_reach for _, _, proof in proofs if proof.out_of_reach is not None)
    sentences += [f"A proof is out of reach: {reason}." for reason in reasons]
    falls = ", ".join(
        f"{proof.margin_fall.p90:.3g} logits under {name}"
        for name, _, proof in proofs
        if proof.margin_fall is not None and proof.margin_fall.p90 is not None
    )
    if falls:
        sentences.append(
            "For nine tenths of the images that the dense model answers right, the lead of the right logit is proved "
            f"to fall from dense to slim, on the same image, by at most {falls}."
        )
    smoothed = ", ".join(
        f"{proof.smoothing.certified_accuracy:.1%} of {proof.smoothing.num_images} images under {name}"
        for name, _, proof in proofs
        if proof.smoothing is not None
    )
    if smoothed:
        sentences.append(
            "Separately, and about another classifier, the one that averages this network over Gaussian noise of "
            f"standard deviation epsilon: it is certified right on {smoothed}, each certificate false with a chance of "
            "at most 0.1% over the noise that was drawn (randomized smoothing)."
        )
    return sentences


def _corrupted(numbers: Numbers) -> list[str]:
    found = numbers.corruptions
    if found is None:
        return []
    where = "of the published CIFAR-10-C arrays" if found.source == "published" else "computed by this tool"
    shifts = ", ".join(f"{row.accuracy:.1%} under {row.name}" for row in found.worst_case)
    places = f" In the worst place of a grid of shifts, {shifts} is right." if shifts else ""
    return [
        f"Under {len(found.names)} common corruptions ({where}, each at 5 severities), {found.mean_accuracy:.1%} is "
        f"right on average.{places}"
    ]


def _is_autoattack(result: ThreatResult) -> bool:
    attacks = [Assault(name=each.name, settings=each.settings) for each in result.attacks]
    return holds_autoattack(attacks, result.threat)


def curve_flags_of(claim: str) -> tuple[str, ...]:
    """Return the ids of the flags that a claim without a threat names; they stand nowhere else in a certificate."""
    before, after = (re.escape(part) for part in CURVE_FLAGS.split("{}"))
    found = re.search(f"{before}([^()]+){after}", claim)
    return tuple(found[1].split(", ")) if found else ()


def _curve(numbers: Numbers, flags: Sequence[str]) -> list[str]:
    if not numbers.curve:
        return [NO_THREAT]
    about = (
        f"{NO_THREAT} The accuracy-against-epsilon curve comes from a quick search for the nearest wrong images (Fast "
        "Minimum-Norm), bounds robust accuracy from above, and shows at which epsilons a claim would mean something."
    )
    return [about, CURVE_FLAGS.format(", ".join(flags))] if flags else [about]
