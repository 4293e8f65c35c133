"""compress report: show what a bundle or records say, for people and for other programs. Imports no torch."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options
from cli.completion import among
from cli.screen import show

EXAMPLE = "Example: compress report exports/resnet18-1a2b3c4d exports/resnet34-5e6f7a8b --format html"
SUFFIXES = (".html", ".md", ".xml", ".json", ".txt")

Evidence = Annotated[
    list[Path],
    typer.Argument(
        metavar="BUNDLE|EVIDENCE...", help="A bundle, certificate.json and its like, or bundles to compare."
    ),
]
FORMS = ("text", "markdown", "html", "junit", "attestation")
Format = Annotated[
    str,
    typer.Option("--format", help="text, markdown, html, junit or attestation.", autocompletion=among(lambda: FORMS)),
]


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
    from cli.columns import quoted

    if json:
        bundles = reports.bundles_of(evidence)
        show(
            outputs.as_json("comparison", **reports.plain_comparison(reports.comparison_of(bundles)))
            if bundles
            else outputs.as_json("report", summary=reports.without_pictures(reports.summary_at(evidence)))
        )
        return 0
    text = reports.write(evidence, format_, typed.typed_commands(context))
    following = f"next: compress {'verify' if evidence[0].is_dir() else 'gate'} {quoted(evidence[0])}"
    following += "" if evidence[0].is_dir() else " --policy policy.toml"
    if output is None:
        show(text)
        if format_ == "text" and "next: " not in text:
            show(following)
        return 0
    path = outputs.destination(output, f"report.{reports.ENDINGS[format_]}", SUFFIXES)
    outputs.write_output(path, text.encode(), force=force)
    show(f"wrote {path}\n{following}")
    return 0
