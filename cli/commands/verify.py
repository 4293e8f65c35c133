"""compress verify: does this bundle hold?"""

from pathlib import Path
from typing import Annotated

import typer

from cli import options
from cli.screen import Screen, show

EXAMPLE = "Example: compress verify exports/resnet18-1a2b3c4d --policy policy.toml --expect-digest 8f14e45f..."

Folder = Annotated[Path, typer.Argument(metavar="BUNDLE", help="The folder of a bundle.")]
ExpectDigest = Annotated[
    str | None, typer.Option("--expect-digest", metavar="D", help="The bundle digest you were told by another way.")
]
PublicKey = Annotated[
    Path | None, typer.Option("--public-key", metavar="FILE", help="A signature by this key must stand beside.")
]
Recheck = Annotated[int, typer.Option("--recheck", metavar="N", min=0, help="Attack N images anew, other seed.")]


def run(
    bundle: Folder,
    *,
    policy: options.PolicyFile = None,
    expect_digest: ExpectDigest = None,
    public_key: PublicKey = None,
    data: options.Data = None,
    recheck: Recheck = 0,
    arch: options.Arch = None,
    device: options.Device = "auto",
    recheck_seed: options.RecheckSeed = None,
    json: options.Json = False,
    config: options.Config = None,
    time_limit: options.TimeLimit = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Check every claim of a bundle: recomputed, consistent or not checked. A contradiction: exit 3."""
    from cli import outputs, verdicts, verified
    from compressor.runtime.device import resolve_device
    from compressor.verify import verify

    screen = Screen(quiet=quiet, time_limit=time_limit)
    report = verify(
        bundle,
        policy=policy,
        expect_digest=expect_digest,
        public_key=public_key,
        data=data,
        recheck=recheck,
        arch=arch,
        seed=recheck_seed,
        device=resolve_device(device),
        progress=screen,
    )
    if json:
        show(outputs.as_json("verify", report=report))
    else:
        show(verified.as_text(report, policy=policy))
    return 0 if report.holds else verdicts.REJECTED
