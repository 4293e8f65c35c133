"""What Tab offers for the values of options. Lists are committed: completing a word must not import torch.

Tests hold each list against what the library knows. Where nothing fits, shells offer file names.
"""

import os
import shlex
from collections.abc import Callable, MutableMapping
from importlib.resources import files

VARIABLE = "_COMPRESS_COMPLETE"
"""Set by the shell when it asks; its value names the shell."""

THREATS = ("linf:1/255", "linf:2/255", "linf:4/255", "linf:8/255", "l2:1/8", "l2:1/4", "l2:1/2", "l2:1")

VALUES: dict[str, tuple[str, ...]] = {
    "--preprocess": ("none", "imagenet", "cifar10", "mean="),
    "--data": (
        "digits", "cifar10:", "cifar100:", "dtd:", "fashionmnist:", "fgvcaircraft:", "flowers102:", "food101:",
        "gtsrb:", "kmnist:", "mnist:", "oxfordiiitpet:", "stl10:", "svhn:", "usps:",
    ),
    "--criterion": (
        "l1", "l2", "lamp", "fpgm", "bn-scale", "random", "expected-abs", "hrank", "kl", "pls", "taylor", "hessian",
        "robust",
    ),
    "--block-criterion": ("l1", "random", "cka", "consensus", "pls"),
    "--augment": ("auto", "none", "crop", "crop-flip", "resized-crop", "trivial-augment", "augmix", "noise"),
    "--recipe": ("few", "full"),
    "--adversarial": THREATS,
    "--adversarial-method": ("pgd", "trades", "fast", "free"),
    "--threat": THREATS,
    "--battery": ("quick", "standard", "full"),
    "--provider": ("cpu", "cuda", "tensorrt"),
    "--device": ("auto", "cpu", "cuda", "cuda:0"),
    "--export-batch": ("dynamic", "1", "8"),
}  # fmt: skip
"""By the long name of the option. Those with an enum complete themselves; architectures stand in a file."""


def values_of(option: str) -> tuple[str, ...]:
    """Return what may be offered for an option; nothing where it takes anything."""
    return architectures() if option == "--arch" else VALUES.get(option, ())


def architectures() -> tuple[str, ...]:
    """Return the names of `architectures.txt`, which a test holds against the installed torchvision."""
    return tuple((files("cli") / "architectures.txt").read_text(encoding="utf-8").split())


Completer = Callable[[str], list[str]]
"""From the beginning of a word to the words that begin so."""


class Rest(str):
    """The end of a word whose beginning stands there already. Typer drops what does not begin as the word does."""

    __slots__ = ()

    def startswith(self, *_args: object) -> bool:
        """Say that it does."""
        return True


def offered(option: str) -> Completer | None:
    """Return the completer of an option, or None where there is nothing to offer."""
    return among(lambda: values_of(option)) if option == "--arch" or option in VALUES else None


def among(known: Callable[[], tuple[str, ...]]) -> Completer:
    """Return a completer over names that are read only when somebody asks."""

    def complete(incomplete: str) -> list[str]:
        found = [name for name in known() if name.startswith(incomplete)]
        # bash puts its answer behind the last colon; see `glue_colons`.
        cut = incomplete.rfind(":") + 1 if os.environ.get(VARIABLE) == "complete_bash" else 0
        return [Rest(name[cut:]) for name in found]

    return complete


def glue_colons(environment: MutableMapping[str, str]) -> None:
    """Undo what bash does to `torchvision:resnet18`: it breaks words at colons, and asks about `resnet18` alone."""
    if environment.get(VARIABLE) != "complete_bash":
        return
    try:
        words, at = shlex.split(environment["COMP_WORDS"]), int(environment["COMP_CWORD"])
    except (KeyError, ValueError):  # an open quote: offered as bash asks
        return
    words += [""] * (at + 1 - len(words))
    glued: list[str] = []
    where = at
    for index, word in enumerate(words):
        if glued and (word == ":" or glued[-1].endswith(":")):
            glued[-1] += word
            where -= index <= at
        else:
            glued.append(word)
    environment["COMP_WORDS"], environment["COMP_CWORD"] = shlex.join(glued), str(where)
