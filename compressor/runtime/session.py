"""An opened ONNX classifier: numpy images in, logits out, on the provider that was asked for and on no other."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from compressor.errors import CompressorError, DataError, LoadError, MachineError, OptionError
from compressor.runtime.gpu import cuda_device_name
from compressor.runtime.machine import num_cores, processor_name
from compressor.runtime.providers import PROVIDERS, first_reason, why_not_loaded
from compressor.runtime.raw import fraction_on, onnxruntime, open_raw
from compressor.types import Precision

Array = npt.NDArray[Any]

INPUT_TYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}
"""What a classifier may take: images in [0, 1], or raw bytes."""

OUTPUT_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
"""What answers are written as, where their place is made before they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An opened ONNX classifier."""

    provider: str
    """`cpu`, `cuda` or `tensorrt`; it really loaded."""
    device_name: str
    """What the processor or GPU calls itself."""
    threads: int
    """Threads within an operator, on the CPU."""
    nodes_on_provider_fraction: float
    """Share of the graph's nodes that the provider runs, in (0, 1]."""
    input_shape: tuple[int, int, int]
    """Of one image, in the file's own order: (C, H, W), or (H, W, C) for raw bytes."""
    input_type: str
    """`float32` or `uint8`."""
    batch: int | None
    """The batch size the file is bound to; None: any."""
    num_classes: int | None
    """Answers per image as the file declares them; None: not declared."""
    metadata: dict[str, str]
    """The file's own notes: labels, preprocessing, digests."""
    inner: Any = field(repr=False)
    """The `onnxruntime.InferenceSession`."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image, whatever order the file takes."""
        if not self.takes_frames:
            return self.input_shape
        height, width, channels = self.input_shape
        return channels, height, width

    @property
    def precision(self) -> Precision:
        """In which numbers the file says that it computes; float32 where it does not say.

        Raises:
            LoadError: it names none that we know.
        """
        named = self.metadata.get("precision", Precision.FP32)
        if named not in set(Precision):
            raise LoadError(f"the ONNX file names an unknown precision, {named!r}", advice="export the checkpoint anew")
        return Precision(named)

    @property
    def takes_frames(self) -> bool:
        """Whether the file takes raw frames: bytes, (N, H, W, C)."""
        return self.input_type == "uint8"

    def answer(self, images: Array) -> Array:
        """Answer images, whatever the file takes: one that takes raw frames gets each value rounded to a byte.

        Args:
            images: (N, C, H, W) float32 in [0, 1], N >= 1.

        Returns:
            Logits (N, K), float32.

        Raises:
            DataError, MachineError, LoadError: see `run`.
        """
        return self.run(to_frames(images) if self.takes_frames else images)

    def seen(self, images: Array) -> Array:
        """Return images (N, C, H, W) in [0, 1] as the file sees them: rounded to bytes where it takes those."""
        if not self.takes_frames:
            return images
        return to_frames(images).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)

    def run(self, images: Array) -> Array:
        """Answer a batch of what the file takes. A file bound to one batch size gets padded batches of that size.

        Args:
            images: (N, *input_shape), float32 in [0, 1] (or uint8 where the file takes raw bytes), N >= 1.

        Returns:
            Logits (N, K), float32.

        Raises:
            DataError: another shape or type.
            MachineError: the device ran out of memory, or failed.
            LoadError: the file cannot answer a batch of this size.
        """
        self._check(images)
        if self.batch is None or self.batch == len(images):
            return self._run_whole(images)
        rows = []
        for start in range(0, len(images), self.batch):
            part = images[start : start + self.batch]
            padding = np.repeat(part[:1], self.batch - len(part), axis=0)
            rows.append(self._run_whole(np.concatenate([part, padding]))[: len(part)])
        return np.concatenate(rows)

    def on_device(self, images: Array) -> Callable[[], None]:
        """Copy a batch to the device and return a function that runs it there, once per call, until it is done.

        Input and output stay on the GPU: the time that a call takes is device time, without copies.

        Raises:
            DataError: another shape or type, or a batch size that the file is not made for.
        """
        self._check(images)
        if self.batch not in (None, len(images)):
            raise DataError(f"the file takes batches of {self.batch}, not {len(images)}", advice="use that batch size")
        device = "cpu" if self.provider == "cpu" else "cuda"
        binding, values, answers = self.inner.io_binding(), onnxruntime().OrtValue, self.inner.get_outputs()[0]
        value = values.ortvalue_from_numpy(np.ascontiguousarray(images), device, 0)
        binding.bind_ortvalue_input(self.inner.get_inputs()[0].name, value)
        if self.num_classes is None or answers.type not in OUTPUT_TYPES:
            binding.bind_output(answers.name, device, 0)
        else:  # a captured graph writes to one address for ever
            shape, kind = [len(images), self.num_classes], OUTPUT_TYPES[answers.type]
            binding.bind_ortvalue_output(answers.name, values.ortvalue_from_shape_and_type(shape, kind, device, 0))
        binding.synchronize_inputs()

        def run_once() -> None:
            self.inner.run_with_iobinding(binding)
            binding.synchronize_outputs()

        return run_once

    def _check(self, images: Array) -> None:
        wanted = f"({self.batch or 'N'}, {', '.join(str(size) for size in self.input_shape)})"
        if images.ndim != 4 or images.shape[1:] != self.input_shape or len(images) == 0:
            raise DataError(
                f"the ONNX file takes images of shape {wanted}, not {images.shape}",
                advice="check --input-size and the order of the axes",
            )
        if images.dtype != np.dtype(self.input_type):
            raise DataError(
                f"the ONNX file takes {self.input_type} images, not {images.dtype}",
                advice="convert them: images are float32 in [0, 1] unless the file takes raw bytes",
            )

    def _run_whole(self, images: Array) -> Array:
        try:
            answers: Array = self.inner.run(None, {self.inner.get_inputs()[0].name: images})[0]
        except Exception as error:  # onnxruntime's exceptions share no other base
            raise _why_not_run(error, provider=self.provider, num_images=len(images)) from error
        return answers


def to_frames(images: Array) -> Array:
    """Return images (N, C, H, W) in [0, 1] as raw frames: uint8 (N, H, W, C), each rounded to the nearest byte."""
    frames: Array = np.rint(images * np.float32(255)).clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(frames)


def open_session(
    model: Path | str | bytes,
    *,
    provider: str = "cpu",
    threads: int | None = 1,
    repeatable: bool = True,
    cuda_graph: bool = False,
) -> Session:
    """Open an ONNX classifier on one provider.

    Args:
        model: a path, or the bytes of a self-contained file.
        provider: `cpu`, `cuda` or `tensorrt` (which leaves to CUDA what it cannot run).
        threads: within an operator, on the CPU; None: as many as this process has cores.
        repeatable: kernels that give the same bits each time on the same GPU. Off: whatever is fastest.
            float32 stays float32 in either case (no TF32): that is what parity and certificate are about.
        cuda_graph: on a GPU, capture the graph at the first runs and replay it. Such a session answers only through
            `on_device`, one batch for ever, and needs every node on the provider.

    Returns:
        A session whose provider really runs nodes of the graph.

    Raises:
        OptionError: an unknown provider, or fewer than one thread.
        LoadError: not an ONNX classifier.
        MachineError: the provider does not load here; the reason, and what repairs it.
    """
    if provider not in PROVIDERS:
        raise OptionError(f"provider {provider!r} is not known", advice=f"use one of: {', '.join(PROVIDERS)}")
    if threads is not None and threads < 1:
        raise OptionError(f"threads must be at least 1, not {threads}", advice="leave it out to use 1")
    name, content = _content(model)
    count = threads or num_cores()
    inner = open_raw(name, content, provider=provider, threads=count, repeatable=repeatable, cuda_graph=cuda_graph)
    fraction = fraction_on(inner, provider)
    if fraction == 0.0:
        raise MachineError(
            f"provider {provider} loaded but runs no node of {name}", advice="use --provider cpu, or export it anew"
        )
    entry, answers = _signature(name, inner)
    batch, classes = entry.shape[0], answers.shape[1]
    return Session(
        provider=provider,
        device_name=processor_name() if provider == "cpu" else cuda_device_name() or "unknown GPU",
        threads=count,
        nodes_on_provider_fraction=fraction,
        input_shape=(entry.shape[1], entry.shape[2], entry.shape[3]),
        input_type=INPUT_TYPES[entry.type],
        batch=batch if isinstance(batch, int) else None,
        num_classes=classes if isinstance(classes, int) else None,
        metadata=dict(inner.get_modelmeta().custom_metadata_map),
        inner=inner,
    )


def _content(model: Path | str | bytes) -> tuple[str, str | bytes]:
    """Return what to call the model, and what onnxruntime shall open."""
    if isinstance(model, bytes):
        return "the ONNX model", model
    path = Path(model)
    if not path.is_file():
        raise LoadError(f"{path} is not a file", advice="give the path of an .onnx file")
    return str(path), str(path)


def _signature(name: str, inner: Any) -> tuple[Any, Any]:
    """Return the input and the first output, which must be those of an image classifier."""
    inputs, answers = inner.get_inputs(), inner.get_outputs()[0]
    entry = inputs[0]
    if len(inputs) != 1 or entry.type not in INPUT_TYPES or len(entry.shape) != 4 or len(answers.shape) != 2:
        raise LoadError(
            f"{name} is not an image classifier: it takes {_spelled(inputs)} and answers {_spelled([answers])}",
            advice="a classifier takes float32 images (N, C, H, W), or uint8 ones, and answers logits (N, K)",
        )
    if not all(isinstance(size, int) for size in entry.shape[1:]):
        raise LoadError(f"{name} leaves the size of its images open", advice="export it with a fixed input size")
    return entry, answers


def _spelled(values: list[Any]) -> str:
    return ", ".join(f"{value.type} {list(value.shape)}" for value in values)


def _why_not_run(error: Exception, *, provider: str, num_images: int) -> CompressorError:
    text = str(error)
    if provider != "cpu" and any(word in text for word in ("CUDA", "CUDNN", "cudnn", "TensorRT")):
        return why_not_loaded(provider, text)
    if "allocate" in text or "bad_alloc" in text:
        return MachineError(f"too little memory for a batch of {num_images}", advice="use a smaller batch")
    return LoadError(
        f"the ONNX file cannot answer a batch of {num_images}: {first_reason(text)}",
        advice="was it exported with a dynamic batch?",
    )
