"""What Tab offers is what the library knows, and asking for it loads nothing heavy."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from cli import app, completion, reports, verdicts
from cli.commands import gate, report
from cli.completion import VALUES, architectures, glue_colons
from compressor.attacks import parse_threat
from compressor.certify.battery import BATTERIES
from compressor.data.preprocess import NAMED
from compressor.data.torchvision_sets import KNOWN
from compressor.finetune.recipe import RECIPES, Augment, Method
from compressor.load.architectures import known_names
from compressor.prune import BLOCK_CRITERIA, CRITERIA
from compressor.runtime.providers import PROVIDERS

ROOT = Path(__file__).resolve().parents[2]


def test_lists_are_those_of_the_library() -> None:
    """Nothing is offered that is refused, and nothing is left out."""
    assert sorted(architectures()) == sorted(known_names())
    assert set(VALUES["--criterion"]) == set(CRITERIA)
    assert set(VALUES["--block-criterion"]) == set(BLOCK_CRITERIA)
    assert set(VALUES["--battery"]) == set(BATTERIES)
    assert set(VALUES["--provider"]) == set(PROVIDERS)
    assert set(VALUES["--augment"]) == set(get_args(Augment))
    assert set(VALUES["--adversarial-method"]) == set(get_args(Method))
    assert set(VALUES["--recipe"]) == set(RECIPES)
    assert {*VALUES["--preprocess"]} == {"none", "mean=", *NAMED}
    assert {*VALUES["--data"]} == {"digits", *(f"{name}:" for name in KNOWN)}
    assert [str(parse_threat(text)) for text in completion.THREATS] == list(completion.THREATS)
    assert set(gate.FORMS) == set(verdicts.ENDINGS)
    assert set(report.FORMS) == set(reports.ENDINGS)


def test_every_list_belongs_to_an_option() -> None:
    """A renamed option takes its list along."""
    known = {name for command in app.COMMANDS for name in _options(command)}
    assert VALUES.keys() <= known


def _options(command: str) -> set[str]:
    import typer.main

    found = typer.main.get_command(app.app).commands[command].params
    return {name for parameter in found for name in parameter.opts}


def _asked(words: str, shell: str = "complete_bash") -> tuple[list[str], set[str]]:
    """Return what a fresh process offers for the last word, and the modules that it loaded."""
    split = shlex.split(words)
    code = (
        "import sys, atexit\nsys.argv = ['compress']\n"
        "atexit.register(lambda: print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr))\n"
        "from cli.app import main\nmain()"
    )
    environment = os.environ | {
        completion.VARIABLE: shell,
        "COMP_WORDS": " ".join(split),
        "COMP_CWORD": str(len(split) - 1),
        "_TYPER_COMPLETE_ARGS": " ".join(split),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    return done.stdout.split(), set(done.stderr.split())


def test_bash_is_answered_behind_the_colon_and_without_torch() -> None:
    """Bash breaks words at colons; numerical libraries are not loaded for it."""
    found, loaded = _asked("compress prune model.pt --ratio 0.5 --arch torchvision : resnet1")
    assert found == ["resnet101", "resnet152", "resnet18"]
    assert "typer" in loaded
    assert loaded.isdisjoint({"torch", "torchvision", "numpy", "onnxruntime"})


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("compress prune model.pt --criterion h", {"hrank", "hessian"}),
        ("compress prune model.pt --structure b", {"blocks", "both"}),
        ("compress gate --explain accuracy.max_", {"max_drop", "max_class_drop", "max_ece"}),
        ("compress gate exports/a --format ju", {"junit"}),
        ("compress config rel", {"release"}),
    ],
)
def test_values_are_offered(words: str, found: set[str]) -> None:
    """Criteria, structures, conditions, formats and commands, each where it can stand."""
    assert {each.removeprefix("accuracy.") for each in _asked(words)[0]} == found


@pytest.mark.parametrize(
    ("words", "at", "glued", "where"),
    [
        ("compress certify m --threat linf : 2", 6, "compress certify m --threat linf:2", 4),
        ("compress prune m --arch torchvision :", 5, "compress prune m --arch torchvision:", 4),
        ("compress prune m --arch torchvision : ", 6, "compress prune m --arch torchvision:", 4),
        ("compress prune --arch cifar : resnet20 m --ra", 7, "compress prune --arch cifar:resnet20 m --ra", 5),
        ("compress prune m --arch ", 4, "compress prune m --arch ''", 4),
        ("compress prune 'my model.pt' --ra", 3, "compress prune 'my model.pt' --ra", 3),
        ("compress prune 'my", 2, "compress prune 'my", 2),
    ],
)
def test_words_are_put_together_again(words: str, at: int, glued: str, where: int) -> None:
    """Whatever stands before and behind the colon; the place of the cursor moves along. Open quotes stay."""
    environment = {completion.VARIABLE: "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at)}
    glue_colons(environment)
    assert (environment["COMP_WORDS"], environment["COMP_CWORD"]) == (glued, str(where))


def test_other_shells_are_left_alone() -> None:
    """Zsh and fish hand over whole words."""
    environment = {completion.VARIABLE: "complete_zsh", "COMP_WORDS": "a : b", "COMP_CWORD": "2"}
    glue_colons(environment)
    assert environment["COMP_WORDS"] == "a : b"
