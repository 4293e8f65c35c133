"""Everything that can go wrong and is not our fault, as one tree.

    CompressorError
    |-- OptionError        a value that an option or argument cannot take
    |-- DataError          images or labels that cannot be used
    |-- LoadError          a checkpoint that cannot be loaded
    |   `-- UntrustedPickle    it needs code to run; --trust-pickle was not given
    |-- PruneError         nothing can be pruned as asked
    |-- FinetuneError      training cannot start, or diverged
    |   `-- Diverged           in its first epoch; `finetune.tune` has it, for it carries the model from before
    |-- ExportError        the model cannot be written as ONNX
    |-- CertifyError       the battery cannot run on this model or data
    |-- MachineError       this machine lacks a provider, disk or memory
    |-- PolicyError        a policy that cannot be judged by
    |-- EvidenceError      a record that cannot be read back
    |-- BundleError        a folder that is not a bundle
    |-- OutputError        a place that cannot be written, or would be overwritten
    |-- Rejected           judged, and the answer is no
    `-- Undecided          evidence is missing or the time limit was reached

Each carries one sentence and an advice. The command line turns them into exit codes in one place:
`Rejected` is 3, `Undecided` is 4, every other one is 2. Anything outside this tree is a fault of ours.
"""


class CompressorError(Exception):
    """One clear sentence about what is wrong, and one about what to do instead."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class OptionError(CompressorError):
    """A value that an option or argument cannot take."""


class DataError(CompressorError):
    """Images or labels that cannot be used."""


class LoadError(CompressorError):
    """A checkpoint that cannot be loaded."""


class UntrustedPickle(LoadError):
    """Loading would run code from the file, and nobody said that it may."""


class PruneError(CompressorError):
    """Nothing can be pruned as asked."""


class FinetuneError(CompressorError):
    """Training cannot start, or diverged."""


class ExportError(CompressorError):
    """The model cannot be written as ONNX."""


class CertifyError(CompressorError):
    """The battery cannot run on this model or data."""


class MachineError(CompressorError):
    """This machine lacks what was asked for: a provider, disk or memory."""


class PolicyError(CompressorError):
    """A policy that cannot be judged by."""


class EvidenceError(CompressorError):
    """A record that cannot be read back."""


class BundleError(CompressorError):
    """A folder that is not a bundle."""


class OutputError(CompressorError):
    """A place that cannot be written, or that holds something else already."""


class Rejected(CompressorError):
    """Judged, and the answer is no: parity failed, or a bundle does not hold."""


class Undecided(CompressorError):
    """The time limit was reached, or evidence is missing. Blocks like a rejection."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its type where it has none."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


OUT_OF_MEMORY = ("out of memory", "not enough memory", "allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""What torch says when memory runs out, on either device."""


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that memory ran out."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in OUT_OF_MEMORY)
    )
