"""compress demo: the whole route in about a minute, on embedded data."""

import typer

from cli import options
from cli.screen import Screen, show

EXAMPLE = "Example: compress demo"


def run(
    context: typer.Context,
    *,
    seed: options.Seed = 0,
    output: options.Output = None,
    force: options.Force = False,
    work_dir: options.WorkDir = options.WORK_DIR,
    time_limit: options.TimeLimit = None,
    json: options.Json = False,
    config: options.Config = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Train a small network on digits, release it, and show what a rejection looks like."""
    from cli import outputs, typed, verdicts
    from cli.alone import alone
    from compressor.demo import demo

    screen = Screen(quiet=quiet, time_limit=time_limit)
    folder = outputs.check_folder(output or options.EXPORTS)
    outputs.check_folder(work_dir, option="--work-dir")
    alone(context, work_dir / "demo")
    done = demo(
        output=folder,
        work_dir=work_dir / "demo",
        seed=seed,
        force=force,
        commands=typed.typed_commands(context),
        progress=screen,
    )
    verdict = done.released.verdict
    if json:
        show(outputs.as_json("demo", bundle=done.released.bundle, verdict=verdict, strict=done.strict))
        return verdicts.exit_code(verdict)
    show(verdicts.released_text(done.released.summary, verdict, done.released.bundle))
    show("\nThe same evidence, judged by a stricter policy:\n")
    show(verdicts.as_text(done.strict, "text"))
    command = f"compress gate {done.released.bundle} --policy {done.strict.policy.source}"
    show(f"exit code {verdicts.exit_code(done.strict)}: {command}")
    return verdicts.exit_code(verdict)
