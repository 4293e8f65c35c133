"""compress inspect: what is this file?"""

import typer

from cli import options
from cli.screen import show

EXAMPLE = "Example: compress inspect resnet18.pth"


def run(
    context: typer.Context,
    checkpoint: options.Checkpoint,
    *,
    arch: options.Arch = None,
    preprocess: options.Preprocess = None,
    input_size: options.InputSize = None,
    num_classes: options.NumClasses = None,
    labels: options.Labels = None,
    trust_pickle: options.TrustPickle = False,
    json: options.Json = False,
    config: options.Config = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Say what a checkpoint is: architecture, cost, blocks, and what can be pruned."""
    from cli.choices import source_of
    from cli.outputs import as_json
    from compressor.describe import describe
    from compressor.load import load

    found = describe(load(checkpoint, **source_of(context.params)))
    if json:
        show(as_json("inspect", **{name: getattr(found, name) for name in found.__slots__}))
        return
    rows = [
        ("architecture", found.architecture),
        ("recognised", "; ".join(found.notes) or "as given"),
        ("input", "x".join(map(str, found.input_shape))),
        ("classes", found.num_classes),
        ("preprocess", found.preprocess or "not stored: give --preprocess where images are used"),
        ("filters", f"{found.cost.filters:,}"),
        ("parameters", f"{found.cost.params:,}"),
        ("multiply-adds", f"{found.cost.macs:,}"),
        ("coupled by", found.coupling),
        ("prunable widths", f"{len(found.groups)} groups, {sum(group.width for group in found.groups)} channels"),
        ("removable blocks", ", ".join(found.blocks) or "none"),
        *(("left out", f"{left.name}: {left.reason}") for left in found.left_out),
        *(("history", line) for line in found.history),
    ]
    for name, value in rows:
        show(f"{name:<17} {value}")
    show(f"next: compress prune {checkpoint} --ratio 0.5")
