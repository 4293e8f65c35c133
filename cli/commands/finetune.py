"""compress finetune: win the accuracy back."""

from dataclasses import replace
from functools import partial

import typer

from cli import options
from cli.screen import Screen, show

EXAMPLE = "Example: compress finetune resnet18-slim.safetensors --data photos/ --epochs 10"


def run(
    context: typer.Context,
    checkpoint: options.Checkpoint,
    *,
    data: options.RequiredData,
    distill_from: options.DistillFrom = None,
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
    """Fine-tune a checkpoint: NAME-tuned.safetensors, the best epoch by the select images."""
    from cli import choices, identical, idle, outputs, texts, tuning
    from cli.alone import alone
    from compressor import steps
    from compressor.estimate import estimate_finetune
    from compressor.finetune import Diverged, prepare
    from compressor.load import file_bytes, load
    from compressor.records import dump
    from compressor.runtime.crew import joined

    idle.refuse_idle_teacher(context)
    crew = context.with_resource(joined())
    # The first process alone looks at the clock: it is the one that saves before it ends.
    screen = Screen(quiet=quiet or not crew.is_first, time_limit=time_limit if crew.is_first else None)
    recipe, place = tuning.recipe_of(context.params, batch_size=batch_size), choices.place_of(context.params, crew)
    idle.refuse_idle_method(context, recipe)
    path = outputs.destination(output, f"{checkpoint.stem}-tuned.safetensors", (".safetensors", ".pt"))
    alone(context)
    how = choices.source_of(context.params)
    model, images = steps.fit(
        steps.open_model(checkpoint, progress=screen, **how),
        data,
        expect_accuracy=expect_accuracy,
        seed=seed,
        device=place.device,
        cache=place.cache_dir,
        progress=screen,
    )
    # A checkpoint of another form may be named by --arch: the teacher is recognised, the rest is true of both. What its
    # file does not say is as with the model.
    also = {name: how[name] for name in ("preprocess", "num_classes", "trust_pickle")}
    also["input_size"] = (model.input_shape[1], model.input_shape[2])
    teacher = None if distill_from is None else load(distill_from, **also)
    if teacher is not None and teacher.preprocess is None:
        teacher = replace(teacher, preprocess=model.preprocess)
    if dry_run:
        ready = prepare(model, images, recipe, teacher=teacher, device=place.device)
        if crew.is_first:
            guess = estimate_finetune(model, ready, place=place)
            show(texts.estimate_json(guess) if json else texts.recipe_text(ready, guess))
        return 0
    beside, lost = outputs.history_beside(path), None
    admit = partial(identical.refuse_other_training, path, beside, force=force)
    try:
        tuned, history = steps.tune(model, images, recipe, teacher=teacher, place=place, admit=admit, progress=screen)
    except Diverged as error:
        tuned, history, lost = error.checkpoint, error.history, error
    if not crew.is_first:
        return 0
    outputs.write_outputs({path: file_bytes(tuned, path.suffix), beside: dump(history)}, force=force)
    if lost is not None:
        raise lost
    if json:
        show(outputs.as_json("finetune", checkpoint=path, history=history))
    else:
        show(texts.history_text(history, path))
    return 0
