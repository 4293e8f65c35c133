"""compress inspect: what is this file?"""

import typer

from cli import options
from cli.screen import show

EXAMPLE = "Example: compress inspect resnet18.pth"


def run(
    context: typer.Context,
    checkpoint: options.Checkpoint,
    *,
    sensitivity: options.MeasureSensitivity = False,
    data: options.Data = None,
    threat: options.Threats = None,
    criterion: options.Criterion = "l1",
    num_images: options.SelectImages = 512,
    arch: options.Arch = None,
    preprocess: options.Preprocess = None,
    input_size: options.InputSize = None,
    num_classes: options.NumClasses = None,
    labels: options.Labels = None,
    trust_pickle: options.TrustPickle = False,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    resume: options.Resume = True,
    work_dir: options.WorkDir = options.WORK_DIR,
    batch_size: options.BatchSize = 256,
    output: options.Output = None,
    force: options.Force = False,
    json: options.Json = False,
    config: options.Config = None,
    time_limit: options.TimeLimit = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Say what a checkpoint is: architecture, cost, blocks, what can be pruned, and what that costs layer by layer."""
    from cli import sensitivity as measuring
    from cli.choices import source_of
    from cli.columns import in_columns, quoted
    from cli.outputs import as_json
    from compressor.describe import describe
    from compressor.load import load

    if sensitivity:
        measuring.measure(context, checkpoint)
        return
    measuring.refuse_without(context)
    found = describe(load(checkpoint, **source_of(context.params)))
    if json:
        show(as_json("inspect", **{name: getattr(found, name) for name in found.__slots__}))
        return
    rows = [
        ("architecture", found.architecture),
        ("notes", "; ".join(found.notes) or "none"),
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
        show(in_columns(f"{name:<17} ", str(value)))
    told = {"--arch": arch, "--input-size": input_size, "--num-classes": num_classes}
    again = "".join(f" {name} {value}" for name, value in told.items() if value is not None)
    show(f"next: compress prune {quoted(checkpoint)}{again} --ratio 0.5")
