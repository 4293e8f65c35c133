"""compress report: show what a bundle or records say, for people and for other programs. Imports no torch."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options
from cli.screen import show

EXAMPLE = "Example: compress report exports/resnet18-1a2b3c4d exports/resnet34-5e6f7a8b --format html"
SUFFIXES = (".html", ".md", ".xml", ".json", ".txt")

Evidence = Annotated[
    list[Path],
    typer.Argument(
        metavar="BUNDLE|EVIDENCE...", help="A bundle, certificate.json and its like, or bundles to compare."
    ),
]
Format = Annotated[str, typer.Option("--format", help="text, markdown, html, junit or attestation.")]


def run(
    context: typer.Context,
    evidence: Evidence,
    *,
    format_: Format = "text",
    output: options.Output = None,
    force: options.Force = False,
    json: options.Json = False,
    config: options.Config = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Write a report from records, or compare several bundles, without measuring anything anew."""
    from cli import outputs, reports, typed

    if json:
        bundles = reports.bundles_of(evidence)
        show(
            outputs.as_json("comparison", **reports.plain_comparison(reports.comparison_of(bundles)))
            if bundles
            else outputs.as_json("report", summary=reports.without_pictures(reports.summary_at(evidence)))
        )
        return 0
    text = reports.write(evidence, format_, typed.typed_commands(context))
    if output is None:
        show(text)
        return 0
    path = outputs.destination(output, f"report.{reports.ENDINGS[format_]}", SUFFIXES)
    outputs.write_output(path, text.encode(), force=force)
    show(f"wrote {path}")
    return 0
