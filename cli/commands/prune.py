"""compress prune: choose what leaves, cut it, tune what stays."""

from functools import partial

import typer

from cli import options
from cli.screen import Screen, show
from compressor.types import Precision, Structure

EXAMPLE = "Example: compress prune resnet18.pth --ratio 0.5 --data photos/ --preprocess imagenet"


def run(
    context: typer.Context,
    checkpoint: options.Checkpoint,
    *,
    ratio: options.Ratio = None,
    target_macs: options.TargetMacs = None,
    target_params: options.TargetParams = None,
    target_bytes: options.TargetBytes = None,
    target_latency: options.TargetLatency = None,
    plan: options.PlanFile = None,
    structure: options.PruneStructure = Structure.FILTERS,
    criterion: options.Criterion = "l1",
    block_criterion: options.BlockCriterion = None,
    global_: options.GlobalScope = False,
    isomorphic: options.IsomorphicScope = False,
    round_to: options.RoundTo = None,
    keep: options.Keep = None,
    ratio_for: options.RatioFor = None,
    steps: options.Steps = 1,
    plan_only: options.PlanOnly = False,
    precision: options.ExportPrecision = Precision.FP32,
    provider: options.Provider = None,
    batch: options.Batch = None,
    threads: options.Threads = None,
    data: options.Data = None,
    expect_accuracy: options.ExpectAccuracy = None,
    recipe_: options.TuningRecipe = None,
    set_: options.SetValues = None,
    epochs: options.Epochs = None,
    lr: options.LearningRate = None,
    batch_size: options.TrainingBatch = None,
    distill: options.Distill = None,
    adversarial: options.Adversarial = None,
    adversarial_method: options.AdversarialMethod = None,
    augment: options.Augment = None,
    compile_: options.Compile = None,
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
    cache_dir: options.CacheDir = None,
    output: options.Output = None,
    force: options.Force = False,
    json: options.Json = False,
    config: options.Config = None,
    time_limit: options.TimeLimit = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Make a slim checkpoint, NAME-slim.safetensors; fine-tuned when --data has training images."""
    from cli import choices, identical, idle, outputs, texts, tuning
    from cli.alone import alone
    from cli.columns import quoted
    from compressor import shrink
    from compressor.finetune import Diverged
    from compressor.load import file_bytes
    from compressor.records import dump
    from compressor.steps import fit, open_model

    idle.refuse_idle_choices(context)
    idle.refuse_idle_tuning(context)
    idle.refuse_idle_precision(context)
    screen = Screen(quiet=quiet, time_limit=time_limit)
    cut, form, recipe, place, timing = (
        choices.cut_of(context.params),
        choices.form_of(context.params),
        tuning.recipe_of(context.params, batch_size=batch_size),
        choices.place_of(context.params),
        choices.timing_of(context.params),
    )
    idle.refuse_idle_method(context, recipe)
    path = choices.pruned_file(context.params)
    alone(context)
    dense, images = open_model(checkpoint, progress=screen, **choices.source_of(context.params)), None
    if data is not None:
        dense, images = fit(
            dense,
            data,
            expect_accuracy=expect_accuracy,
            seed=seed,
            device=place.device,
            cache=place.cache_dir,
            progress=screen,
        )
    if plan_only or dry_run:
        chosen = shrink.choose(
            dense, cut=cut, data=images, form=form, timing=timing, seed=seed, place=place, progress=screen
        )
        if not dry_run:
            outputs.write_output(path, dump(chosen), force=force)
        show(dump(chosen).decode() if json else texts.plan_text(chosen))
        if not dry_run and not json:
            show(f"wrote {path}\nnext: compress prune {quoted(checkpoint)} --plan {quoted(path)}")
        return 0
    beside = outputs.history_beside(path)
    try:
        shrunk = shrink.shrink(
            dense,
            cut=cut,
            data=images,
            recipe=recipe,
            form=form,
            timing=timing,
            seed=seed,
            place=place,
            admit=partial(identical.refuse_other_training, path, beside, force=force),
            progress=screen,
        )
    except Diverged as error:
        contents = {path: file_bytes(error.checkpoint, path.suffix), beside: dump(error.history)}
        outputs.write_outputs(contents, force=force)
        raise
    contents = {path: file_bytes(shrunk.checkpoint, path.suffix)}
    if shrunk.history is not None:
        contents[beside] = dump(shrunk.history)
    outputs.write_outputs(contents, force=force)
    if json:
        show(outputs.as_json("prune", checkpoint=path, plan=shrunk.plan, history=shrunk.history))
    else:
        show(texts.shrunk_text(shrunk, path))
    return 0
