"""What a run is asked for: how much leaves, what is attacked, what is timed, and where it computes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compressor.attacks.threat import Threat
from compressor.certify.certificate import Searched
from compressor.certify.demand import Demands
from compressor.export.form import PLAIN, Form
from compressor.finetune import Recipe
from compressor.prune import Plan
from compressor.runtime.crew import ALONE, Crew
from compressor.types import Scope, Structure, word_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How much leaves, and how it is chosen. One of ratio, the targets or a ready plan."""

    ratio: float | None = None
    """Fraction of filters (or removable blocks) that leave, in (0, 1)."""
    target_macs: float | int | None = None
    """Ceiling on what stays: a fraction of dense, or multiply-adds."""
    target_params: float | int | None = None
    """Ceiling on what stays: a fraction of dense, or parameters."""
    target_bytes: float | int | None = None
    """Ceiling on what stays: a fraction of dense, or bytes of model.onnx."""
    target_latency_ms: float | None = None
    """Ceiling on the median latency, in milliseconds: the upper end of its interval is below."""
    target_latency_ratio: float | None = None
    """The same as a fraction of the dense model's latency, in (0, 1)."""
    ready: Plan | None = None
    """A plan made earlier."""
    num_blocks: int | None = None
    """With a ratio: how many blocks leave; None: its share of them."""
    num_steps: int = 1
    """Prune so many times, with an epoch of fine-tuning in between. More than one only with a ratio or a ceiling on
    multiply-adds or parameters."""
    structure: Structure = Structure.FILTERS
    criterion: str = "l1"
    block_criterion: str | None = None
    """How blocks are ordered; None: cka where training images are known, else l1."""
    scope: Scope = Scope.LOCAL
    round_to: int | None = None
    keep: tuple[str, ...] = ()
    ratio_for: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take plain strings of a caller as the words that they stand for.

        Raises:
            OptionError: an unknown structure or scope.
        """
        object.__setattr__(self, "structure", word_of(Structure, self.structure))
        object.__setattr__(self, "scope", word_of(Scope, self.scope))

    @property
    def is_measured(self) -> bool:
        """Whether choosing takes measurements."""
        measured = (self.target_bytes, self.target_latency_ms, self.target_latency_ratio)
        return self.ready is None and any(target is not None for target in measured)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the battery is asked."""

    threats: tuple[Threat, ...] = ()
    battery: str = "standard"
    num_images: int = 1000
    audit: int = 0
    demands: Demands | None = None
    """What is to be decided, where attacking may stop once it is; None: all images are attacked."""
    corruptions: bool = False
    """Corrupt and shift the images too."""
    corruptions_from: Path | None = None
    """Folder of the published CIFAR-10-C arrays, which then take the place of corrupted images."""
    prove: bool = False
    """Bound from below what no attack can break."""
    searched: Searched | None = None
    """That the model was chosen among others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What is timed."""

    provider: str = "cpu"
    batches: tuple[int, ...] = (1,)
    threads: int = 1
    num_runs: int | None = None
    """None: about two seconds' worth."""
    cuda_graphs: bool = False
    """On a GPU, also with the captured graph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and how this run computes. Nothing here changes a result."""

    device: str = "cpu"
    batch_size: int = 256
    crew: Crew = ALONE
    """The processes that share this run."""
    work_dir: Path | None = None
    """State for resuming; None keeps none."""
    cache_dir: Path | None = None
    """Resized training images; None keeps none."""

    def state(self, stage: str) -> Path | None:
        """Return the folder for one stage's state."""
        return self.work_dir / stage if self.work_dir else None


HERE = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Everything that a release is asked for. Paths may be given as text."""

    data: str
    """A data spec."""
    policy: Path
    """What is demanded; its threats are the ones measured."""
    cut: Cut
    recipe: Recipe = field(default_factory=Recipe)
    control: bool = False
    """Tune the dense model by the same recipe too: without it, no change is the pruning's."""
    battery: str | None = None
    """None: the policy's."""
    num_images: int = 1000
    audit: int = 0
    decide: bool = False
    """Stop attacking once the policy's verdict on shares of images is certain."""
    corruptions: bool = False
    """Corrupt and shift the images too, also where the policy demands nothing of it."""
    corruptions_from: Path | None = None
    """Folder of the published CIFAR-10-C arrays."""
    prove: bool = False
    """Bound from below what no attack can break."""
    timing: Timing | None = None
    """None: what the policy's latency rows name."""
    form: Form = PLAIN
    """Of the file that ships."""
    also_ort: bool = False
    """Write model.ort beside it, for mobile runtimes."""
    accept: Mapping[str, str] = field(default_factory=dict)
    """Blocking conditions that somebody takes upon themselves: id -> because."""
    expect_accuracy: float | None = None
    source: Mapping[str, Any] = field(default_factory=dict)
    """Keywords of `load`."""
    name: str | None = None
    """Of the bundle; None: the checkpoint's."""
    searched: Searched | None = None
    """That this plan was chosen among others."""
    trials: bytes | None = None
    """Content of trials.json, where a search tells of the others."""
    commands: tuple[str, ...] = ()
    """What was typed to ask for this, for the records and reports."""
    output: Path = Path("exports")
    force: bool = False
    seed: int = 0
    place: Place = HERE

    def __post_init__(self) -> None:
        """Take text as the path that it is."""
        for name in ("policy", "output"):
            object.__setattr__(self, name, Path(getattr(self, name)))
