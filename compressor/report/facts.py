"""What reports are told besides the records: sizes, layers, epochs, what the file takes, and images to look at."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerWidth:
    """Filters of one layer, before and after."""

    name: str
    before: int
    after: int
    """0 for a layer that was removed with its block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochPoint:
    """One epoch of fine-tuning."""

    number: int
    """From 1; 0 is the state before."""
    loss: float | None
    train_accuracy: float | None
    select_accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSize:
    """What the dense model weighs. No record of the slim one holds it."""

    params: int | None = None
    macs: int | None = None
    num_bytes: int | None = None
    """Of its ONNX file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFacts:
    """What model.onnx takes, and what must have happened to an image before."""

    channels: int
    height: int
    width: int
    resize: int | None = None
    """Length of the short side before cropping; None resizes straight to the input size."""
    interp: str = "bilinear"
    name: str = "images"
    """Of the input in the file."""
    kind: str = "float32"
    """`float32`: (n, C, H, W) in [0, 1]; `uint8`: raw bytes with channels last, (n, H, W, C)."""

    @property
    def takes_bytes(self) -> bool:
        """Whether the file takes frames as cameras and decoders give them."""
        return self.kind == "uint8"

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Of one image, in the file's own order."""
        return (
            (self.height, self.width, self.channels) if self.takes_bytes else (self.channels, self.height, self.width)
        )

    @property
    def text(self) -> str:
        """What the file takes, in words."""
        range_ = "values in [0, 255]" if self.takes_bytes else "values in [0, 1]"
        return f"{self.kind} (n, {', '.join(str(size) for size in self.sizes)}), {range_}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """An image that broke the file, as pictures to look at. Pixels are rounded to bytes for that."""

    threat: str
    """As the certificate writes it: `linf:8/255`."""
    label: str
    """The right answer."""
    clean_answer: str
    """Of the file, to the image as it was."""
    answer: str
    """Of the file, to the perturbed image."""
    clean: bytes
    """PNG."""
    perturbed: bytes
    """PNG."""
    difference: bytes
    """PNG: grey is no change."""
    gain: float
    """How many times the difference is as large in its picture."""
    height: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateFacts:
    """One candidate of a search: a part of what trials.json says of it."""

    number: int
    structure: str
    criterion: str
    profile: str
    cost: float | None
    """What is made small, as a share of dense; None where it could not be cut."""
    accuracy: float | None
    """On select images, after the full recipe; None where it did not come so far."""
    robust: dict[str, float]
    """Threat to robust accuracy, likewise."""
    p50_ms: float | None
    standing: str
    """`passed`, `undecided`, `failed` or `dropped`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseFacts:
    """The model that was searched in, on the same select images."""

    accuracy: float
    robust: dict[str, float]
    p50_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFacts:
    """A part of trials.json; all else in it is passed over."""

    minimise: str
    num_images: int
    """Select images that candidates were judged on, at most."""
    dense: DenseFacts
    trials: tuple[CandidateFacts, ...]
    winner: int | None
    """Its number; None where nothing passed."""
