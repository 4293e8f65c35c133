"""What happens to one network of the coverage table, in stages. Each runs in a process of its own.

Heavy imports live inside, so that each process has only what its stage needs: the later ones prove that a slim
checkpoint is rebuilt and exported where torch-pruning cannot even be imported.
"""

import ctypes
import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.coverage_row import Size

RATIO = 0.5
LITTLE = 0.9
"""Of the MACs: where more than that stays, filters are not what can leave."""
NUM_IMAGES = 12
"""Compared in torch and onnxruntime: one round of the batch sizes 1, 3 and 8."""
DENSE, SLIM, ANSWERS = "dense.pt", "slim.safetensors", "answers.npz"

Fields = dict[str, Any]
"""Fields of a `Row`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One network on its way."""

    architecture: str
    """As `--arch` takes it."""
    folder: Path
    """For its files, which may be large."""


def make(job: Job) -> Fields:
    """Write a checkpoint as its family's training scripts do: torchvision a bare state dict, timm one with a name."""
    import torch

    from benchmarks.zoo import with_random_weights

    state = with_random_weights(job.architecture).state_dict()
    family, _, name = job.architecture.partition(":")
    torch.save({"arch": name, "state_dict": state} if family == "timm" else state, job.folder / DENSE)
    return {"bytes_dense": sum(tensor.nbytes for tensor in state.values())}


def cut(job: Job) -> Fields:
    """Load without `--arch`, plan, slim, save, and keep what the slim network answers."""
    import numpy as np
    import torch

    from compressor.data import parse_preprocess
    from compressor.errors import ExportError, PruneError
    from compressor.export.onnx import MAX_BYTES, export_onnx
    from compressor.load import Checkpoint, build, load, save_slim
    from compressor.prune import Plan, plan, slim
    from compressor.types import Structure

    normalised = parse_preprocess("imagenet")
    small = load(build("cifar:resnet8"), arch="cifar:resnet8", preprocess=normalised)
    slim(small, plan(small, ratio=RATIO))  # what is imported at first use is not the model's memory
    before = _resident("VmRSS")
    checkpoint = load(job.folder / DENSE, preprocess=normalised)
    found: Fields = {"identified": checkpoint.architecture, "ratio": RATIO}
    num_bytes = sum(tensor.nbytes for tensor in checkpoint.model.state_dict().values())
    _tidy()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew

    def smaller_by(structure: Structure) -> tuple[Plan, Checkpoint]:
        with _seconds(found, "plan_seconds"):
            chosen = plan(checkpoint, ratio=RATIO, structure=structure)
        with _seconds(found, "slim_seconds"):
            return chosen, slim(checkpoint, chosen)

    try:
        made, smaller = smaller_by(Structure.FILTERS)
        if made.after.macs > LITTLE * made.before.macs:
            found["not_in_width"] = f"{made.after.macs / made.before.macs:.0%} of its MACs would stay"
    except PruneError as error:
        found["not_in_width"] = str(error)
    if "not_in_width" in found:
        made, smaller = smaller_by(Structure.BLOCKS)
    found |= {
        "memory_multiple": round((_resident("VmHWM") - before) / num_bytes, 2),
        "structure": made.structure.value,
        "coupling": made.source,
        "before": _size(made.before),
        "after": _size(made.after),
    }
    if num_bytes > MAX_BYTES:
        try:
            export_onnx(checkpoint)
        except ExportError as error:
            found["dense_onnx"] = str(error)
    with _seconds(found, "save_seconds"):
        save_slim(smaller, job.folder / SLIM)
    images = torch.rand(2, *smaller.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits = smaller.model(images).numpy()
    if not np.isfinite(logits).all() or np.ptp(logits) == 0:
        raise RuntimeError("the slim network answers nothing that could be compared")
    np.savez(job.folder / ANSWERS, images=images.numpy(), logits=logits)
    return found


def rebuild(job: Job) -> Fields:
    """Reload where torch-pruning cannot be imported, and compare the answers bit for bit."""
    _forbid_torch_pruning()
    import numpy as np
    import torch

    from compressor.load import load

    found: Fields = {"bytes_slim": (job.folder / SLIM).stat().st_size}
    with _seconds(found, "reload_seconds"):
        checkpoint = load(job.folder / SLIM)
    known = np.load(job.folder / ANSWERS)
    with torch.inference_mode():
        logits = checkpoint.model(torch.from_numpy(known["images"])).numpy()
    return found | {"bit_equal": bool(np.array_equal(logits, known["logits"]))}


def export(job: Job) -> Fields:
    """Write the slim network as ONNX, and compare torch with onnxruntime, all at its native size."""
    _forbid_torch_pruning()
    from compressor.export.onnx import export_onnx
    from compressor.export.parity import check_parity
    from compressor.load import load

    checkpoint = load(job.folder / SLIM)
    found: Fields = {}
    with _seconds(found, "export_seconds"):
        onnx = export_onnx(checkpoint)
    with _seconds(found, "parity_seconds"):
        parity = check_parity(checkpoint, onnx, images=_noise(checkpoint.input_shape, checkpoint.num_classes))
    return found | {
        "bytes_onnx": len(onnx),
        "parity": str(parity.decision),
        "parity_images": parity.num_images,
        "max_abs": parity.max_abs,
        "max_rel": parity.max_rel,
        "agreement": parity.agreement,
    }


STAGES: dict[str, Callable[[Job], Fields]] = {"make": make, "cut": cut, "rebuild": rebuild, "export": export}
"""In the order of the route."""


def _forbid_torch_pruning() -> None:
    """Make every later attempt to import it fail."""
    assert "torch_pruning" not in sys.modules
    sys.modules["torch_pruning"] = None  # type: ignore[assignment]


def _size(cost: Any) -> Size:
    return Size(filters=cost.filters, params=cost.params, macs=cost.macs)


def _noise(shape: tuple[int, int, int], num_classes: int) -> Any:
    """Return images of noise; nobody looks at their labels."""
    import numpy as np
    import torch

    from compressor.data.images import ImageSet

    pixels = torch.rand(NUM_IMAGES, *shape, generator=torch.Generator().manual_seed(1))
    return ImageSet(
        role="test",
        labels=np.zeros(NUM_IMAGES, dtype=np.int64),
        names=tuple(map(str, range(NUM_IMAGES))),
        class_names=tuple(map(str, range(num_classes))),
        shape=shape,
        reader=lambda wanted: pixels[list(wanted)],
        hasher=str,
    )


@contextmanager
def _seconds(found: Fields, name: str) -> Iterator[None]:
    """Note the processor time of a block: what other processes do does not show in it."""
    begin = time.process_time()
    yield
    found[name] = round(time.process_time() - begin, 2)


def _tidy() -> None:
    """Give freed memory back to the system, so that what is measured is in use."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)


def _resident(key: str) -> int:
    """Return the memory of this process in bytes: `VmRSS` now, `VmHWM` at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))
