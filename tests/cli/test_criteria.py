"""The criteria on the command line: all are named by the help, and each runs."""

import json
from pathlib import Path

import pytest

from cli.app import run
from cli.options import Criterion
from compressor.prune import CRITERIA


def test_the_help_names_every_criterion() -> None:
    """The list in the help is written by hand, since reading it off the library would import torch."""
    (option,) = Criterion.__metadata__  # type: ignore[attr-defined]
    _, weights, images = option.help.split(":", maxsplit=2)
    named = {
        needs: {name.strip() for name in words.split(".")[0].split(",")}
        for needs, words in ((False, weights), (True, images))
    }
    for needs, names in named.items():
        assert names == {name for name, criterion in CRITERIA.items() if criterion.needs_images == needs}


@pytest.mark.parametrize("name", [name for name in CRITERIA if CRITERIA[name].needs_images])
def test_criteria_with_images_plan_on_digits(
    name: str, digits_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`compress prune --criterion NAME --data digits --plan-only` writes a plan that names it."""
    monkeypatch.chdir(tmp_path)
    words = f"prune {digits_checkpoint} --data digits --ratio 0.5 --criterion {name} --plan-only -o plan.json --quiet"
    assert run(words.split()) == 0
    assert json.loads(Path("plan.json").read_text())["criterion"] == name
