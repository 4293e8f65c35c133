"""Who vouches for the list of digests? `model_signing` is asked, as a program of its own.

A signature is about `SHA256SUMS`, and so about every byte of every file. Several may stand beside it without knowing of
each other, which signatures of the whole folder could not. The package model-signing pins what other packages here pin
otherwise, so it is never imported: whoever verifies installs it apart.
"""

import shutil
import subprocess
from pathlib import Path

from compressor.bundle import Bundle
from compressor.bundle.names import SUMS
from compressor.errors import MachineError, OptionError
from compressor.files import SIGNATURE_ENDINGS, is_signature
from compressor.verify.record import Found, Status

TOOL = "model_signing"
INSTALL = "see docs/signing.md: python -m venv signing && signing/bin/pip install model-signing pyopenssl"
LIMIT_SECONDS = 120
PUBLIC, PRIVATE = b"-----BEGIN PUBLIC KEY-----", b"PRIVATE KEY-----"

DOES_NOT_HOLD = "Verification failed with error: "
"""How the tool says no. It ends with 1 as well when it cannot start, which is no judgement."""


def read_public_key(path: Path | None) -> Path | None:
    """Check `--public-key`, and that the tool which uses it is here.

    Raises:
        OptionError: not a public key in PEM form.
        MachineError: `model_signing` is not on the PATH.
    """
    if path is None:
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise OptionError(
            f"cannot read --public-key {path}: {error.strerror or error}", advice="give the public key of the signer"
        ) from error
    if PRIVATE in content:
        raise OptionError(f"--public-key {path} is a private key", advice="keep it to yourself; give the public one")
    if PUBLIC not in content:
        raise OptionError(
            f"--public-key {path} is not a public key in PEM form", advice="openssl pkey -in key.pem -pubout"
        )
    if shutil.which(TOOL) is None:
        raise MachineError(f"--public-key needs {TOOL}, which is not on the PATH", advice=INSTALL)
    return path


def check_signature(bundle: Bundle, public_key: Path | None) -> Found:
    """Hold the signatures that stand beside against the key that the verifier has.

    Raises:
        MachineError: the tool does not run.
    """
    beside = [name for name in bundle.names if is_signature(name)]
    if public_key is None and not beside:
        return Status.NOT_CHECKED, "none stands beside"
    if public_key is None:
        how = f"give --public-key, or for sigstore run {TOOL} verify sigstore yourself (docs/signing.md)"
        return Status.NOT_CHECKED, f"{', '.join(beside)} stands beside: {how}"
    if not beside:
        endings = " or ".join(f"*{ending}" for ending in SIGNATURE_ENDINGS)
        return Status.CONTRADICTED, f"no {endings} stands beside, and one by {public_key} is demanded"
    reasons = {name: _reason_against(bundle.path(name), bundle.path(SUMS), public_key) for name in beside}
    valid = [name for name, reason in reasons.items() if reason is None]
    if not valid:
        told = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        return Status.CONTRADICTED, f"no signature of {SUMS} by {public_key}: {told}"
    others = [name for name in beside if name not in valid]
    also = f"; {', '.join(others)} is not by that key" if others else ""
    return Status.RECOMPUTED, f"{', '.join(valid)} is a signature of {SUMS} by {public_key}{also}"


def _reason_against(signature: Path, signed: Path, public_key: Path) -> str | None:
    """Return why a signature does not hold, in one short sentence; None where it does.

    Raises:
        MachineError: the tool does not run.
    """
    options = ("--signature", str(signature), "--public_key", str(public_key))
    try:
        done = subprocess.run(  # noqa: S603 - a list of words, no shell
            [shutil.which(TOOL) or TOOL, "verify", "key", str(signed), *options],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(f"{TOOL} does not run: {error}", advice=INSTALL) from error
    if done.returncode == 0:
        return None
    said = [line for line in done.stderr.splitlines() if line.strip()]
    refused = [line.removeprefix(DOES_NOT_HOLD) for line in said if line.startswith(DOES_NOT_HOLD)]
    if not refused:
        raise MachineError(f"{TOOL} does not run: {said[-1] if said else 'it says nothing'}", advice=INSTALL)
    return refused[0].split(": [", maxsplit=1)[0].rstrip(". ")
