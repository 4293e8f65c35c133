"""`compress inspect --sensitivity`: from its options to the record, and to what is shown or written."""

from collections.abc import Sequence
from pathlib import Path

import typer

from cli import choices, outputs
from cli.alone import alone
from cli.idle import typed
from cli.screen import Screen, show
from compressor import steps
from compressor.attacks.threat import Threat, parse_threat
from compressor.errors import OptionError
from compressor.prune import CRITERIA
from compressor.records import dump
from compressor.sensitivity import (
    Sensitivity,
    measure_sensitivity,
    sensitivity_page,
    sensitivity_svg,
    sensitivity_text,
)
from compressor.sensitivity.measure import THREAT

SUFFIXES = (".svg", ".html", ".json")
ONLY_HERE = ("data", "threat", "criterion", "num_images", "output")
"""Options of inspect that say nothing without --sensitivity."""


def refuse_without(context: typer.Context) -> None:
    """Refuse options that would be ignored.

    Raises:
        OptionError: one of them was typed.
    """
    option = typed(context, ONLY_HERE)
    if option is not None:
        raise OptionError(
            f"{option} is about --sensitivity, which was not given", advice="add --sensitivity, or leave it out"
        )


def measure(context: typer.Context, checkpoint: Path) -> None:
    """Measure, show, and write where --output says so.

    Raises:
        OptionError: an option that cannot be met; before anything is loaded.
        CompressorError: whatever loading and measuring refuse.
    """
    params = context.params
    spec, criterion, threat = _data(params["data"]), _criterion(params["criterion"]), _threat(params["threat"])
    path = (
        None
        if params["output"] is None
        else outputs.destination(params["output"], f"{checkpoint.stem}-sensitivity.html", SUFFIXES)
    )
    screen, place = Screen(quiet=params["quiet"], time_limit=params["time_limit"]), choices.place_of(params)
    alone(context)
    model, data = steps.fit(
        steps.open_model(checkpoint, progress=screen, **choices.source_of(params)),
        spec,
        seed=params["seed"],
        device=place.device,
        progress=screen,
    )
    record = measure_sensitivity(
        model,
        data,
        criterion=criterion,
        threat=threat,
        num_images=params["num_images"],
        seed=params["seed"],
        place=place,
        progress=screen,
    )
    if path is not None:
        outputs.write_output(path, _content(record, path.suffix, checkpoint), force=params["force"])
        screen.say(f"wrote {path}")
    show(dump(record).decode() if params["json"] else sensitivity_text(record, checkpoint=str(checkpoint)))


def _data(spec: str | None) -> str:
    if spec is None:
        raise OptionError(
            "--sensitivity measures on images, and none were given",
            advice="add --data with training or validation images; test images are never used for this",
        )
    return spec


def _criterion(name: str) -> str:
    if name not in CRITERIA:
        raise OptionError(f"--criterion {name!r} is not known", advice=f"take one of {', '.join(sorted(CRITERIA))}")
    return name


def _threat(texts: Sequence[str] | None) -> Threat:
    if texts and len(texts) > 1:
        raise OptionError(
            f"--sensitivity takes one --threat, not {len(texts)}", advice="give the one that matters most"
        )
    return parse_threat(texts[0]) if texts else THREAT


def _content(record: Sensitivity, suffix: str, checkpoint: Path) -> bytes:
    if suffix == ".json":
        return dump(record)
    return sensitivity_svg(record) if suffix == ".svg" else sensitivity_page(record, checkpoint=str(checkpoint))
