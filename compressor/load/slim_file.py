"""The slim checkpoint: one `.safetensors` file that rebuilds the slim network without pickle, tracing or torch-pruning.

Its metadata holds one JSON text (`SlimHeader`). Rebuild = original class, blocks removed, sizes set, weights loaded
strictly. The same checkpoint always gives the same bytes.
"""

import io
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from compressor.errors import LoadError
from compressor.files import canonical_json, sha256_of_bytes, write_whole
from compressor.load.architectures import construct
from compressor.load.checkpoint import Checkpoint
from compressor.load.fit import Weights, load_strictly
from compressor.load.manifest import manifest_of, remove_blocks, reshape
from compressor.load.slim_header import KEY, SCHEMA, WEIGHTS, SlimHeader
from compressor.records import to_plain, tool_version

SUFFIXES = (".safetensors", ".pt", ".pth")


def slim_bytes(checkpoint: Checkpoint) -> bytes:
    """Return the bytes of the `.safetensors` file.

    Raises:
        LoadError: the model cannot be rebuilt from its architecture and integers.
    """
    text = _header_text(checkpoint)
    content: bytes = save(_weights_of(checkpoint.model), metadata={KEY: text})
    return content


def save_slim(checkpoint: Checkpoint, path: Path | str) -> str:
    """Write a slim checkpoint, whole or not at all.

    Args:
        checkpoint: slim or dense.
        path: ends in `.safetensors`, or in `.pt` or `.pth` for `torch.load(weights_only=True)`.

    Returns:
        sha256 of the file.

    Raises:
        LoadError: another ending, or the model cannot be rebuilt from its architecture and integers.
        OutputError: the place cannot be written.
    """
    path = Path(path)
    content = file_bytes(checkpoint, path.suffix)
    write_whole(path, content)
    return sha256_of_bytes(content)


def file_bytes(checkpoint: Checkpoint, suffix: str) -> bytes:
    """Return the bytes of a slim checkpoint file with this ending.

    Raises:
        LoadError: another ending, or the model cannot be rebuilt from its architecture and integers.
    """
    if suffix == ".safetensors":
        return slim_bytes(checkpoint)
    if suffix not in SUFFIXES:
        raise LoadError(f"cannot tell from {suffix!r} how to write it", advice=f"end the name in {', '.join(SUFFIXES)}")
    buffer = io.BytesIO()
    torch.save({KEY: _header_text(checkpoint), WEIGHTS: _weights_of(checkpoint.model)}, buffer)
    return buffer.getvalue()


def rebuild(header: SlimHeader, weights: Weights, *, architecture: str | None = None, trust_code: bool) -> nn.Module:
    """Return the slim network of a header, with its weights.

    Args:
        header: what the file says about itself.
        weights: under the names of the network.
        architecture: what the user said; None: what the file says.
        trust_code: whether a factory that the file names may run.

    Raises:
        UntrustedPickle: the file names a factory, and nobody said that it may run.
        LoadError: names, sizes and weights do not go together.
    """
    model = construct(architecture or header.architecture, header.arguments, initialise=False, trust_code=trust_code)
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    reshape(model, header.removed_blocks, header.manifest, shapes)
    load_strictly(model, weights)
    return model.eval()


def _header_text(checkpoint: Checkpoint) -> str:
    """Return the JSON, after making sure that the network can be rebuilt from it."""
    reference = construct(checkpoint.architecture, checkpoint.arguments, initialise=False)
    remove_blocks(reference, checkpoint.removed_blocks)
    manifest = manifest_of(checkpoint.model, reference)
    shapes = {name: tuple(tensor.shape) for name, tensor in checkpoint.model.state_dict().items()}
    reshape(reference, (), manifest, shapes)
    header = SlimHeader(
        schema=SCHEMA,
        tool_version=tool_version(),
        architecture=checkpoint.architecture,
        arguments={key: int(value) if isinstance(value, int) else value for key, value in checkpoint.arguments.items()},
        removed_blocks=checkpoint.removed_blocks,
        manifest=manifest,
        input_shape=checkpoint.input_shape,
        input_known=checkpoint.input_known,
        num_classes=checkpoint.num_classes,
        preprocess=checkpoint.preprocess.text() if checkpoint.preprocess else None,
        labels=checkpoint.labels,
        history=checkpoint.history,
        parents=checkpoint.parents,
    )
    return canonical_json(to_plain(header)).decode()


def _weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Return the state dict by name, each tensor with memory of its own (shared ones are written twice)."""
    state = model.state_dict()
    return {name: state[name].detach().cpu().clone(memory_format=torch.contiguous_format) for name in sorted(state)}
