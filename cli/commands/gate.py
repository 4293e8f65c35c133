"""compress gate: hold evidence against a policy. Imports neither torch nor onnxruntime."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options
from cli.completion import among
from cli.screen import show

EXAMPLE = "Example: compress gate exports/resnet18-1a2b3c4d --policy policy.toml --format junit -o gate.xml"
FORMS = ("text", "json", "markdown", "junit")


def _ids() -> tuple[str, ...]:
    """Return the conditions that can be explained."""
    from compressor.gate.explain import explained

    return tuple(explained())


Evidence = Annotated[
    list[Path] | None,
    typer.Argument(metavar="EVIDENCE...", help="certificate.json, parity.json, latency.json, bundles."),
]
Format = Annotated[
    str,
    typer.Option("--format", help="text, json, markdown or junit.", autocompletion=among(lambda: FORMS)),
]
Init = Annotated[bool, typer.Option("--init", help="Write a commented starter policy from measured evidence.")]
Explain = Annotated[
    str | None,
    typer.Option(
        "--explain", metavar="ID", help="What a condition means and what fixes it.", autocompletion=among(_ids)
    ),
]
Previous = Annotated[
    Path | None, typer.Option("--previous", metavar="BUNDLE", help="Show the change since this one; in text only.")
]


def run(
    context: typer.Context,
    evidence: Evidence = None,
    *,
    policy: options.PolicyFile = None,
    unsafe_accept: options.UnsafeAccept = None,
    because: options.Because = None,
    format_: Format = "text",
    init: Init = False,
    explain: Explain = None,
    previous: Previous = None,
    output: options.Output = None,
    force: options.Force = False,
    json: options.Json = False,
    config: options.Config = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Judge evidence by a policy: 0 passed, 3 failed, 4 undecided."""
    from cli import outputs, typed, verdicts
    from cli.columns import quoted
    from cli.values import parse_accept
    from compressor.errors import OptionError
    from compressor.gate.evidence import read_evidence
    from compressor.gate.explain import explain as explained
    from compressor.gate.judge import judge
    from compressor.gate.policy import read_policy
    from compressor.gate.starter import starter_policy
    from compressor.records import now
    from compressor.report.commands import told_commands

    if explain is not None:
        words = explained(explain)
        show(outputs.as_json("explanation", id=explain, text=words) if json else words)
        return 0
    if not evidence:
        raise OptionError("no evidence was named", advice="compress gate BUNDLE --policy policy.toml")
    if init:
        found = read_evidence(evidence)
        text = starter_policy(found.certificate, next(iter(found.latency), None))
        written = outputs.destination(output, "policy.toml", (".toml",))
        outputs.write_output(written, text.encode(), force=force)
        named = " ".join(map(quoted, evidence))
        words = (
            f"wrote {written}; read it before you rely on it\nnext: compress gate {named} --policy {quoted(written)}"
        )
        show(outputs.as_json("starter", policy=written, text=text) if json else words)
        return 0
    if policy is None:
        raise OptionError("no policy was named", advice="give --policy policy.toml, or write one with --init")
    form = verdicts.check_form(format_, json=json)
    before = verdicts.previous_at(previous, form)
    path = (
        None if output is None else outputs.destination(output, f"verdict.{verdicts.ENDINGS[form]}", verdicts.SUFFIXES)
    )
    demanded = read_policy(policy)
    found = read_evidence(evidence)
    verdict = judge(demanded, found, now=now(), accept=parse_accept(unsafe_accept, because))
    made_by = told_commands(found.certificate.run.commands if found.certificate else None)
    commands = (*made_by, *typed.typed_commands(context))
    text = verdicts.as_text(verdict, form, previous=before, commands=commands)
    show(text)
    verdicts.post(verdict, commands)
    if path is not None:
        outputs.write_output(path, text.encode(), force=force)
    return verdicts.exit_code(verdict)
