"""What the battery benchmark measures: one part for each model and threat, and which batteries run on it."""

from dataclasses import dataclass

from benchmarks.battery_choice import PROXIES, opener
from benchmarks.battery_models import (
    Opener,
    cifar_oracle,
    cifar_oracle_on_jpeg,
    mnist_oracle,
    natural_resnet,
    robust_resnet,
)
from benchmarks.battery_runs import AUTOATTACK, DECIDING, PGD_40
from benchmarks.rows import digest_of_code

KINDS = ("oracle", "speed", "choice", "resnet")
CODE = (
    "compressor/attacks",
    "compressor/certify",
    "benchmarks/battery_models.py",
    "benchmarks/battery_runs.py",
)
LISTS = "compressor/certify/battery.py"
"""Left out of the digest of the code: every answer holds the digest of its own list."""

BOTH = ("standard", "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What becomes one row."""

    kind: str
    name: str
    opens: Opener
    threat: str
    num_images: int
    batteries: tuple[str, ...]
    """In the order in which they run."""
    rounds: tuple[str, ...] = ()
    """The order where they are timed against each other; empty: each runs once."""


def parts(*, repeats: int, num_images: int) -> tuple[Part, ...]:
    """Return everything that is measured.

    Args:
        repeats: how often the dear batteries run on an oracle.
        num_images: of the residual networks.
    """
    return (
        _oracle("oracle-mnist", mnist_oracle, "linf:0.3", repeats),
        _oracle("oracle-cifar", cifar_oracle, "linf:2/255", repeats),
        Part(
            kind="speed",
            name="speed-resnet20",
            opens=natural_resnet,
            threat="linf:8/255",
            num_images=1_000,
            batteries=("standard",),
        ),
        Part(
            kind="speed",
            name="speed-cnn",
            opens=cifar_oracle_on_jpeg,
            threat="linf:2/255",
            num_images=10_000,
            batteries=(DECIDING, "standard"),
        ),
        *(
            Part(
                kind="choice",
                name=f"choice-{proxy.name}",
                opens=opener(proxy),
                threat=proxy.threat,
                num_images=100,
                batteries=BOTH,
            )
            for proxy in PROXIES
        ),
        *(
            Part(
                kind="resnet",
                name=f"resnet20-{which}-{threat.replace(':', '-').replace('/', '_')}",
                opens=opens,
                threat=threat,
                num_images=num_images,
                batteries=BOTH,
            )
            for which, opens, threat in (
                ("robust", robust_resnet, "linf:4/255"),
                ("robust", robust_resnet, "l2:1/2"),
                ("natural", natural_resnet, "linf:1/510"),
                ("natural", natural_resnet, "l2:1/8"),
            )
        ),
    )


def current_code(kind: str) -> str:
    """Return the digest of the code that can change a row of a kind."""
    trained = ("benchmarks/battery_choice.py",) if kind == "choice" else ()
    return digest_of_code((*CODE, *trained), but=(LISTS,))


def _oracle(name: str, opens: Opener, threat: str, repeats: int) -> Part:
    """Return an oracle: cheap batteries before, between and after the dear ones."""
    cheap, dear = ("quick", "standard", PGD_40), ("full", AUTOATTACK)
    return Part(
        kind="oracle",
        name=name,
        opens=opens,
        threat=threat,
        num_images=200,
        batteries=("quick", "standard", "full", PGD_40, AUTOATTACK),
        rounds=(*cheap, *(dear + cheap) * repeats),
    )
