"""Are these the files that were released, and do they all speak of the same model?"""

import json

from compressor.bundle import Bundle, bundle_digest, check_sums
from compressor.bundle.names import (
    ATTESTATION,
    CERTIFICATE,
    CHECKPOINT,
    CONTROL,
    LABELS,
    MODEL,
    OUTCOMES,
    PARITY,
    PLAN,
    POLICY,
    REPLAY,
    REPLAY_SCRIPT,
    SUMS,
    VERDICT,
)
from compressor.bundle.replay_script import replay_script
from compressor.errors import OptionError
from compressor.files import is_signature
from compressor.records import tool_version
from compressor.report import attestation
from compressor.types import Precision
from compressor.verify.opened import Opened
from compressor.verify.record import Found, Status

FOLLOWED = (
    MODEL, CHECKPOINT, PLAN, PARITY, CERTIFICATE, OUTCOMES, CONTROL, POLICY, VERDICT, LABELS, ATTESTATION, REPLAY,
    REPLAY_SCRIPT, SUMS,
)  # fmt: skip
"""Files that some check reads and compares with others."""

SHOWN = 5
"""Problems named in one sentence."""


def check_digests(bundle: Bundle) -> Found:
    """Compare every byte with the list of digests."""
    problems = check_sums(bundle.folder)
    if problems:
        named = "; ".join(str(problem) for problem in problems[:SHOWN])
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        return Status.CONTRADICTED, named + more
    num = len([name for name in bundle.names if name != SUMS and not is_signature(name)])
    return Status.RECOMPUTED, f"all {num} files are the ones that {SUMS} lists"


def read_digest(text: str | None) -> str | None:
    """Read `--expect-digest`.

    Raises:
        OptionError: not a sha256.
    """
    if text is None:
        return None
    digest = text.strip().lower().removeprefix("sha256:")
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise OptionError(
            f"--expect-digest {text!r} is not a sha256", advice=f"give all 64 hex digits of the sha256 of {SUMS}"
        )
    return digest


def check_authenticity(bundle: Bundle, expected: str | None, *, is_signed: bool) -> Found:
    """Compare the bundle digest with the one that the verifier was told by another way."""
    found = bundle_digest(bundle.path(SUMS).read_bytes())
    if expected is None and is_signed:
        return Status.NOT_CHECKED, "no digest was told by another way; the signature says who made the files"
    if expected is None:
        return (
            Status.NOT_CHECKED,
            "consistent, not authentic: whoever made all files anew would not be noticed without --expect-digest or "
            "--public-key",
        )
    if found != expected:
        return Status.CONTRADICTED, f"the bundle digest is {found}, expected was {expected}"
    return Status.RECOMPUTED, f"the bundle digest is the expected {found[:12]}..."


def check_subject(opened: Opened) -> Found:
    """Compare the model file with the digest and size in each record about it."""
    named = {}
    sizes = {}
    bundle = opened.bundle
    if opened.is_certified:
        artefact = opened.certificate.result.artefact
        named["the certificate"] = artefact.sha256 if artefact.kind == "onnx" else f"a {artefact.kind} model"
    for name, parity in bundle.parities.items():
        named[name] = parity.artefact_sha256
        sizes[f"bytes_model of {name}"] = (parity.bytes_model, opened.path(MODEL).stat().st_size)
        sizes[f"bytes_checkpoint of {name}"] = (parity.bytes_checkpoint, opened.path(CHECKPOINT).stat().st_size)
    if (latency := bundle.latency) is not None:
        named["the latency record"] = latency.artefact_sha256
    if REPLAY in bundle.names:
        named["replay.npz"] = opened.replay.artefact_sha256
    wrong = [f"{who} is about {digest[:12]}" for who, digest in named.items() if digest != opened.model_sha256]
    wrong += _other_form(opened) if opened.is_certified else []
    wrong += [f"{key} says {said}, the file has {size} bytes" for key, (said, size) in sizes.items() if said != size]
    if wrong:
        detail = f"{MODEL} is {opened.model_sha256[:12]}, but {'; '.join(wrong)}"
        return Status.CONTRADICTED, detail
    detail = f"{', '.join(named)}: all about this {MODEL}, {opened.model_sha256[:12]}"
    return Status.RECOMPUTED, detail


def _other_form(opened: Opened) -> list[str]:
    """Return what the certificate says otherwise of the file's numbers and input, which its claim tells."""
    artefact, session = opened.certificate.result.artefact, opened.session
    said = (artefact.precision or Precision.FP32, bool(artefact.takes_frames))
    found = (session.precision, session.takes_frames)
    if said == found:
        return []
    said_words, found_words = (
        f"{precision} on {'raw frames' if frames else 'float images'}" for precision, frames in (said, found)
    )
    return [f"the certificate is about {said_words}, and the file computes in {found_words}"]


def check_labels(opened: Opened) -> Found:
    """Compare labels.txt with the labels inside the model, the checkpoint and the certificate."""
    written = opened.bundle.labels or ()
    places = {
        f"{MODEL}'s metadata": tuple(json.loads(opened.session.metadata.get("labels", "[]"))),
        CHECKPOINT: opened.checkpoint.labels or (),
    }
    if opened.is_certified:
        places["the certificate"] = tuple(each.label for each in opened.certificate.result.per_class)
    known = {place: labels for place, labels in places.items() if labels}
    wrong = [place for place, labels in known.items() if labels != written]
    if wrong:
        detail = f"labels.txt differs from {' and '.join(wrong)}"
        return Status.CONTRADICTED, detail
    if not known:
        return Status.NOT_CHECKED, "nobody named the classes"
    detail = f"labels.txt, {', '.join(known)} name the same {len(written)} classes"
    return Status.CONSISTENT, detail


def check_attestation(opened: Opened) -> Found:
    """Write the attestation again from the verdict, and compare."""
    verdict = opened.bundle.verdict
    if ATTESTATION not in opened.bundle.names or verdict is None:
        return Status.NOT_CHECKED, "there is none: the bundle was only exported"
    said = json.loads(opened.path(ATTESTATION).read_bytes())
    found = json.loads(attestation(verdict, model_sha256=opened.model_sha256))
    if said == found:
        return Status.RECOMPUTED, f"it states what the verdict says about this {MODEL}; it carries no signature"
    if said.get("subject") != found["subject"]:
        return Status.CONTRADICTED, f"its subject is not this {MODEL}: {said.get('subject')}"
    if verdict.tool_version == tool_version():
        return Status.CONTRADICTED, "it states something else than the verdict"
    detail = f"its subject is this {MODEL}; it was written by version {verdict.tool_version}, which words it otherwise"
    return Status.CONSISTENT, detail


def check_script(opened: Opened) -> Found:
    """Compare the script that runs on the target with ours."""
    if REPLAY_SCRIPT not in opened.bundle.names:
        return Status.NOT_CHECKED, f"there is no {REPLAY_SCRIPT}"
    if opened.path(REPLAY_SCRIPT).read_bytes() == replay_script():
        return Status.RECOMPUTED, f"{REPLAY_SCRIPT} is the one of this version"
    parity = opened.bundle.parity
    made_by = parity.tool_version if parity else "another version"
    if made_by == tool_version():
        return Status.CONTRADICTED, f"{REPLAY_SCRIPT} is not the one that version {made_by} writes"
    return Status.NOT_CHECKED, f"{REPLAY_SCRIPT} is that of version {made_by}, which is not here to compare"


def check_words(opened: Opened) -> Found:
    """Say which files are bound by their digest only."""
    followed = {*FOLLOWED, *opened.bundle.parities}
    unread = [name for name in opened.bundle.names if name not in followed and not is_signature(name)]
    detail = f"{', '.join(unread) or 'nothing'}: bound by digest only; believe the records rather than the text"
    return Status.NOT_CHECKED, detail
