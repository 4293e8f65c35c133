"""What the checks of one bundle share: each file is opened when it is first needed, and once."""

from functools import cached_property
from pathlib import Path

from compressor.bundle import Bundle
from compressor.bundle.names import CERTIFICATE, CHECKPOINT, MODEL, OUTCOMES, REPLAY
from compressor.bundle.replay_images import Replay, read_replay
from compressor.certify.certificate import Certificate
from compressor.certify.outcomes import Outcomes, read_outcomes
from compressor.errors import BundleError, LoadError
from compressor.files import sha256_of_file
from compressor.load import Checkpoint, load
from compressor.load.architectures import CODE, Family, construct, parse_architecture
from compressor.runtime.session import Session, open_session


def read_arch(arch: str | None) -> str | None:
    """Check the verifier's own `--arch`: one that names nothing says nothing about the bundle.

    Raises:
        LoadError: not an architecture, an unknown name, or no such file.
    """
    if arch is None:
        return None
    parsed = parse_architecture(arch)
    if parsed.family is Family.FILE and not Path(parsed.place).is_file():
        raise LoadError(f"--arch {parsed.place}: there is no such file", advice="check the path before the colon")
    if parsed.family not in CODE:
        construct(arch, {}, initialise=False)
    return arch


class Opened:
    """The files of a bundle, read strictly; every attribute raises a CompressorError when its file is not good."""

    def __init__(self, bundle: Bundle, *, arch: str | None = None) -> None:
        self.bundle = bundle
        self.arch = arch

    @property
    def is_certified(self) -> bool:
        """Whether there is a certificate; without one the bundle was only exported."""
        return CERTIFICATE in self.bundle.names

    @cached_property
    def model_sha256(self) -> str:
        """Digest of the ONNX file."""
        return sha256_of_file(self.path(MODEL))

    @cached_property
    def session(self) -> Session:
        """The ONNX file, on the CPU with one thread, as certificates are made."""
        return open_session(self.path(MODEL), provider="cpu", threads=1)

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The slim checkpoint, loaded strictly and without running code from it."""
        return load(self.path(CHECKPOINT), arch=self.arch)

    @cached_property
    def certificate(self) -> Certificate:
        """The certificate."""
        certificate = self.bundle.certificate
        if certificate is None:
            raise BundleError("the bundle holds no certificate", advice="verify one that `compress release` wrote")
        return certificate

    @cached_property
    def outcomes(self) -> Outcomes:
        """What became of each image."""
        return read_outcomes(self.path(OUTCOMES))

    @cached_property
    def replay(self) -> Replay:
        """Images to answer again."""
        return read_replay(self.path(REPLAY))

    def path(self, name: str) -> Path:
        """Return where a file of the bundle is."""
        return self.bundle.path(name)
