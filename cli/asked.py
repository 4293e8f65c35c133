"""What a run of certify or bench is asked for, in the words by which `identical` compares it with a record."""

from compressor.data import Data
from compressor.files import sha256_of_bytes
from compressor.load import Checkpoint
from compressor.subject import Subject
from compressor.task import Proof, Timing
from compressor.types import Skipped


def certificate_asked(
    subject: Subject, twin: Checkpoint, images: Data, *, proof: Proof, baseline: Checkpoint | None, seed: int
) -> dict[str, object]:
    """Return what this certificate is asked for, as `identical` names it; what it will say is not known yet."""
    asked: dict[str, object] = {
        "the model": twin.sha256 if subject.onnx is None else sha256_of_bytes(subject.onnx),
        "the baseline": None if baseline is None else baseline.sha256,
        "the data": images.spec,
        "the threats": [str(threat) for threat in dict.fromkeys(proof.threats)],
        "the battery": [proof.battery] if proof.threats else [],
        "the seed": seed,
        "proving": proof.prove,
        "the source of corruptions": _corruptions_of(proof),
        "ending early": proof.demands is not None,
    }
    if proof.demands is None and images.test is not None:
        asked["the number of images"] = min(proof.num_images, len(images.test))
    return asked


def _corruptions_of(proof: Proof) -> str | None:
    """Return where corrupted images come from, as the record says it."""
    return "published" if proof.corruptions_from else "computed" if proof.corruptions else None


def latency_asked(model: bytes, other: bytes | Skipped | None, timing: Timing) -> dict[str, object]:
    """Return what this latency is asked for, as `identical` names it."""
    return {
        "the model": sha256_of_bytes(model),
        "the other model": sha256_of_bytes(other) if isinstance(other, bytes) else None,
        "provider, batch and threads": [
            list(each) for each in dict.fromkeys((timing.provider, batch, timing.threads) for batch in timing.batches)
        ],
        "CUDA graphs": timing.cuda_graphs,
    }
