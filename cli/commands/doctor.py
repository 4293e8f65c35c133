"""compress doctor: what can this machine do?"""

from cli import options
from cli.screen import show

EXAMPLE = "Example: compress doctor"


def run(
    *,
    json: options.Json = False,
    config: options.Config = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Say what runs here, what is missing, and the one command that repairs each gap."""
    from cli.columns import in_columns
    from cli.outputs import as_json
    from compressor.runtime.doctor import checks

    found = checks()
    if json:
        show(as_json("doctor", checks=found))
        return
    for check in found:
        show(in_columns(f"{'ok  ' if check.ok else 'MISS'}  {check.name:<22} ", check.found))
        if not check.ok and check.fix:
            show(in_columns(" " * 29, f"fix: {check.fix}"))
    fixes = [check.fix for check in found if not check.ok and check.fix]
    show(f"next: {fixes[0] if fixes else 'compress demo'}")
