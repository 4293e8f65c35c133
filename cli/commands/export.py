"""compress export: write one self-contained ONNX file."""

import typer

from cli import options
from cli.screen import Screen, show
from compressor.types import InputForm, Precision

EXAMPLE = "Example: compress export resnet18-slim.safetensors"


def run(
    context: typer.Context,
    checkpoint: options.Checkpoint,
    *,
    data: options.Data = None,
    precision: options.ExportPrecision = Precision.FP32,
    input_: options.ExportInput = InputForm.FLOAT_NCHW,
    also_ort: options.AlsoOrt = False,
    opset: options.Opset = 18,
    export_batch: options.ExportBatch = "dynamic",
    provider: options.Provider = None,
    arch: options.Arch = None,
    preprocess: options.Preprocess = None,
    input_size: options.InputSize = None,
    num_classes: options.NumClasses = None,
    labels: options.Labels = None,
    trust_pickle: options.TrustPickle = False,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    output: options.Output = None,
    force: options.Force = False,
    json: options.Json = False,
    config: options.Config = None,
    time_limit: options.TimeLimit = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Write exports/NAME-DIGEST8/ with model.onnx and its parity; nothing in it is certified."""
    from cli import choices, outputs, texts
    from compressor import shipping, steps
    from compressor.pipeline import name_of

    screen = Screen(quiet=quiet, time_limit=time_limit)
    form = choices.form_of(context.params)
    folder = outputs.check_folder(output or options.EXPORTS)
    model, images = steps.open_model(checkpoint, progress=screen, **choices.source_of(context.params)), None
    if data is not None:
        model, images = steps.fit(model, data, seed=seed, progress=screen)
    if dry_run:
        words = f"would write {folder}/{name_of(checkpoint)}-DIGEST8/ in {precision} at opset {opset}"
        show(outputs.as_json("intention", words=words) if json else words)
        return 0
    shipped = shipping.ship(
        model,
        images=images.test if images else None,
        form=form,
        calibration=shipping.calibration_of(images, form),
        also_ort=also_ort,
        provider=provider or "cpu",
        progress=screen,
    )
    path = shipping.write_export(folder, name_of(checkpoint), model, shipped, force=force)
    shipping.insist_on_parity(shipped, path)
    show(outputs.as_json("export", folder=path, parity=shipped.parity) if json else texts.export_text(shipped, path))
    return 0
