"""What the files of a bundle are called, and the one list of digests that binds them. Standard library only.

`SHA256SUMS` names every other file, sorted, in one canonical form that `sha256sum --check` reads. Its own sha256 is
the **bundle digest**: whoever knows that digest can tell whether any byte of any file was changed. Signatures are
about the list, so they stand beside it and are not in it.
"""

import re
from collections.abc import Mapping

from compressor.errors import OutputError
from compressor.files import is_signature, sha256_of_bytes

MODEL = "model.onnx"
MODEL_ORT = "model.ort"
CHECKPOINT = "model.safetensors"
PLAN = "plan.json"
HISTORY = "history.json"
PARITY = "parity.json"
CERTIFICATE = "certificate.json"
OUTCOMES = "outcomes.npz"
LATENCY = "latency.json"
POLICY = "policy.toml"
VERDICT = "verdict.json"
LABELS = "labels.txt"
CARD = "README.md"
REPORT = "report.html"
ATTESTATION = "attestation.intoto.json"
SBOM = "sbom.cdx.json"
CONTROL = "control.json"
CONTROL_HISTORY = "control-history.json"
TRIALS = "trials.json"
REPLAY = "replay.npz"
REPLAY_SCRIPT = "replay.py"
SUMS = "SHA256SUMS"

EXPORTED = (MODEL, CHECKPOINT, PARITY, LABELS)
"""What every bundle holds, also one that was only exported and not certified."""

JUDGED = (
    *EXPORTED, CERTIFICATE, OUTCOMES, LATENCY, POLICY, VERDICT, CARD, REPORT, ATTESTATION, SBOM, REPLAY, REPLAY_SCRIPT,
)  # fmt: skip
"""What a bundle with a certificate or a verdict holds. The plan and the history may be absent: a model can be
certified that was not pruned or tuned here."""

ONLY_JUDGED = (CERTIFICATE, OUTCOMES, LATENCY, POLICY, VERDICT, REPORT, ATTESTATION)
"""One of these makes a bundle a judged one."""

EVERY = (*JUDGED, MODEL_ORT, PLAN, HISTORY, CONTROL, CONTROL_HISTORY, TRIALS)
"""Every name of ours, except the list itself."""

SAME_EACH_RUN = (MODEL, CHECKPOINT, LABELS, OUTCOMES, POLICY, REPLAY, REPLAY_SCRIPT)
"""What comes out the same, byte for byte, when the same command is run again on the same machine. The others tell
when they were made, or how long it took."""

PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
"""A file name that is the same on every system and can lead nowhere else."""

SUMS_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)\n")


def parity_name(provider: str) -> str:
    """Return `parity.json` for the CPU, which every target can repeat, and a name that says which for any other."""
    return PARITY if provider == "cpu" else f"parity-{provider}.json"


def required_names(names: set[str]) -> tuple[str, ...]:
    """Return what a bundle with these files must hold: a certificate or a verdict needs its evidence beside it."""
    return JUDGED if names & set(ONLY_JUDGED) else EXPORTED


def check_names(names: set[str]) -> None:
    """Refuse names that cannot stand in a bundle, and a set of files that lacks one.

    Raises:
        OutputError: names the files.
    """
    wrong = sorted(name for name in names if not PLAIN_NAME.fullmatch(name) or is_signature(name) or name == SUMS)
    if wrong:
        raise OutputError(
            f"a bundle cannot hold a file called {wrong[0]!r}",
            advice=f"use letters, digits, dot, dash and underscore; {SUMS} and signatures are not written here",
        )
    if len({name.lower() for name in names}) < len(names):
        raise OutputError("two files of the bundle differ only in upper and lower case", advice="rename one of them")
    missing = [name for name in required_names(names) if name not in names]
    if missing:
        raise OutputError(f"the bundle lacks {', '.join(missing)}", advice="make these files first")


def format_sums(digests: Mapping[str, str]) -> bytes:
    """Return the canonical list: `<64 hex digits>  <name>` and a newline each, sorted by the bytes of the name."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()


def parse_sums(content: bytes) -> tuple[tuple[str, str], ...] | None:
    """Return the (name, digest) pairs as they stand in the list, or None when it is not of that form."""
    text = content.decode("utf-8", errors="replace")
    lines = SUMS_LINE.findall(text)
    if "".join(f"{digest}  {name}\n" for digest, name in lines) != text:
        return None
    return tuple((name, digest) for digest, name in lines)


def bundle_digest(sums: bytes) -> str:
    """Return the bundle digest: the sha256 of `SHA256SUMS`."""
    return sha256_of_bytes(sums)


def folder_name(name: str, model: bytes) -> str:
    """Return NAME-DIGEST8, where DIGEST8 begins the sha256 of `model.onnx`.

    Raises:
        OutputError: the name cannot be part of a folder's name everywhere.
    """
    if not PLAIN_NAME.fullmatch(name) or len(name) > 100:
        raise OutputError(
            f"a bundle cannot be called {name!r}", advice="use at most 100 letters, digits, dots, dashes, underscores"
        )
    return f"{name}-{sha256_of_bytes(model)[:8]}"
