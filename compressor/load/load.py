"""Any checkpoint -> `Checkpoint`: the story of this room."""

from pathlib import Path

from torch import nn

from compressor.data.preprocess import Preprocess, parse_preprocess
from compressor.errors import LoadError, OptionError
from compressor.files import sha256_of_file
from compressor.load.checkpoint import Arguments, Checkpoint, sha256_of_weights
from compressor.load.contents import Contents, read_contents
from compressor.load.slim_header import SlimHeader
from compressor.load.sources import Origin, from_module, from_slim, from_weights


def load(
    source: Path | str | nn.Module,
    *,
    arch: str | None = None,
    preprocess: Preprocess | str | None = None,
    input_size: tuple[int, int] | int | None = None,
    num_classes: int | None = None,
    labels: tuple[str, ...] | None = None,
    trust_pickle: bool = False,
) -> Checkpoint:
    """Load a trained classifier.

    Args:
        source: a state dict or training checkpoint (`.pt`, `.pth`, ...), `.safetensors`, a slim checkpoint, with
            `trust_pickle` a whole pickled module or TorchScript; or a module in memory, which stays as it is.
        arch: a form of `--arch`; None: what the file stores, or recognised from names and shapes.
        preprocess: read, or as `--preprocess` takes it; None: what the file stores.
        input_size: height and width, or one number for both, where the file stores none; None: the default of the
            architecture.
        num_classes: for a factory that needs it; what the file has comes first.
        labels: name of each class, where the file stores none.
        trust_pickle: let the file run code.

    Returns:
        The model in eval mode, float32, on the CPU, with everything that is known about it.

    Raises:
        UntrustedPickle: the file needs code to run, and `trust_pickle` is False.
        LoadError: it cannot be read, fits no architecture, or contradicts what was said.
    """
    if isinstance(preprocess, str):
        preprocess = parse_preprocess(preprocess)
    if isinstance(input_size, int):
        input_size = (input_size, input_size)
    if input_size is not None and not all(1 <= side <= 16384 for side in input_size):
        raise LoadError(f"input size {input_size} is out of range", advice="say --input-size HxW in pixels")
    if isinstance(source, nn.Module):
        contents = Contents(module=source)
        origin = from_module(source, arch=arch, size=input_size)
        digest, name = sha256_of_weights(origin.model.state_dict()), "<memory>"
    else:
        path = Path(source)
        contents = read_contents(path, trust_pickle=trust_pickle)
        origin = _origin(contents, path, arch=arch, size=input_size, num_classes=num_classes, trust_pickle=trust_pickle)
        digest, name = sha256_of_file(path), str(path)
    return _checkpoint(origin, contents, digest, name, preprocess=preprocess, num_classes=num_classes, labels=labels)


def _origin(
    contents: Contents,
    path: Path,
    *,
    arch: str | None,
    size: tuple[int, int] | None,
    num_classes: int | None,
    trust_pickle: bool,
) -> Origin:
    """Turn what is in a file into a network."""
    if contents.module is not None:
        return from_module(contents.module, arch=arch, size=size)
    assert contents.weights is not None
    if contents.header is not None and not (arch or "").startswith("slim:"):
        _check_size(contents.header, path, size)
        return from_slim(contents.header, contents.weights, arch=arch, size=size, trust_code=trust_pickle)
    given: Arguments = {} if num_classes is None else {"num_classes": num_classes}
    return from_weights(
        contents.weights,
        arch=arch,
        given=given,
        size=size,
        hint=contents.hint,
        name=path.name,
        trust_code=trust_pickle,
    )


def _check_size(header: SlimHeader, path: Path, size: tuple[int, int] | None) -> None:
    """Refuse an input size that contradicts the one the file was made for."""
    made_for = header.input_shape[1:]
    if header.input_known and size is not None and size != made_for:
        raise LoadError(
            f"{path} was made for images of {made_for[0]}x{made_for[1]}, not {size[0]}x{size[1]}",
            advice="leave --input-size out: what the file says comes first",
        )


def _checkpoint(
    origin: Origin,
    contents: Contents,
    digest: str,
    name: str,
    *,
    preprocess: Preprocess | None,
    num_classes: int | None,
    labels: tuple[str, ...] | None,
) -> Checkpoint:
    """Put together what the file stores and what the user said; refuse contradictions."""
    header, takes = origin.header, origin.takes
    if num_classes is not None and num_classes != takes.num_classes:
        raise LoadError(f"{name} has {takes.num_classes} classes, not {num_classes}", advice="leave --num-classes out")
    if labels is not None and len(labels) != takes.num_classes:
        raise LoadError(
            f"{len(labels)} labels were given, but {name} has {takes.num_classes} classes",
            advice="give --labels a file with one name for each class",
        )
    stored, unusable = _stored_labels(header.labels if header else contents.labels, takes.num_classes)
    if stored is not None and labels is not None and stored != labels:
        number = next(number for number, pair in enumerate(zip(stored, labels, strict=True)) if pair[0] != pair[1])
        raise LoadError(
            f"{name} calls class {number} {stored[number]!r}, --labels calls it {labels[number]!r}",
            advice="leave --labels out: what the file says comes first",
        )
    if preprocess is None and header is not None and header.preprocess is not None:
        try:
            preprocess = parse_preprocess(header.preprocess)
        except OptionError as error:
            raise LoadError(f"{name}: {error.message}", advice="say --preprocess") from error
    return Checkpoint(
        model=origin.model,
        architecture=origin.architecture,
        arguments=origin.arguments,
        input_shape=takes.shape,
        input_known=takes.known,
        num_classes=takes.num_classes,
        preprocess=preprocess,
        labels=labels if labels is not None else stored,
        removed_blocks=header.removed_blocks if header else (),
        history=origin.history,
        parents=origin.parents,
        sha256=digest,
        source=name,
        notes=(*origin.notes, *contents.notes, *unusable),
    )


def _stored_labels(found: tuple[str, ...] | None, num_classes: int) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Return the class names of a file if they are as many as its classes, and a note where they are not."""
    if found is None or len(found) == num_classes:
        return found, ()
    return None, (f"the file names {len(found)} classes, the network has {num_classes}: the names are not used",)
