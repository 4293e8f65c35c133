"""compress release: the whole route, one bundle."""

import typer

from cli import options
from cli.screen import Screen, show
from compressor.types import InputForm, Precision, Structure

EXAMPLE = "Example: compress release resnet18.pth --data photos/ --preprocess imagenet --ratio 0.5 --policy policy.toml"


def run(
    context: typer.Context,
    checkpoint: options.Checkpoint,
    *,
    data: options.RequiredData,
    policy: options.RequiredPolicy,
    unsafe_accept: options.UnsafeAccept = None,
    because: options.Because = None,
    expect_accuracy: options.ExpectAccuracy = None,
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
    recipe_: options.TuningRecipe = None,
    set_: options.SetValues = None,
    epochs: options.Epochs = None,
    lr: options.LearningRate = None,
    distill: options.Distill = None,
    adversarial: options.Adversarial = None,
    adversarial_method: options.AdversarialMethod = None,
    augment: options.Augment = None,
    compile_: options.Compile = None,
    control: options.Control = False,
    precision: options.ExportPrecision = Precision.FP32,
    input_: options.ExportInput = InputForm.FLOAT_NCHW,
    also_ort: options.AlsoOrt = False,
    opset: options.Opset = 18,
    export_batch: options.ExportBatch = "dynamic",
    battery: options.Battery = None,
    num_images: options.NumImages = 1000,
    audit: options.Audit = 0,
    corruptions: options.Corruptions = False,
    corruptions_from: options.CorruptionsFrom = None,
    prove: options.Prove = False,
    decide: options.DecideNow = False,
    provider: options.Provider = None,
    batch: options.Batch = None,
    threads: options.Threads = None,
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
    batch_size: options.BatchSize = 256,
    output: options.Output = None,
    force: options.Force = False,
    json: options.Json = False,
    config: options.Config = None,
    time_limit: options.TimeLimit = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Prune, tune, export, certify, time, judge: exports/NAME-DIGEST8/, or rejected/NAME-DIGEST8/."""
    from cli import choices, idle, outputs, texts, typed, verdicts
    from cli.alone import alone
    from compressor.estimate import estimate_release
    from compressor.pipeline import release

    idle.refuse_idle_choices(context)
    screen = Screen(quiet=quiet, time_limit=time_limit)
    task = choices.release_of(context.params, commands=typed.typed_commands(context))
    idle.refuse_idle_method(context, task.recipe)
    outputs.check_folder(task.output)
    alone(context)
    if dry_run:
        guess = estimate_release(checkpoint, task, progress=screen)
        show(texts.estimate_json(guess) if json else texts.estimate_text(guess))
        return 0
    released = release(checkpoint, task, progress=screen)
    show(
        outputs.as_json("release", bundle=released.bundle, verdict=released.verdict)
        if json
        else verdicts.released_text(released.summary, released.verdict, released.bundle, task.commands)
    )
    verdicts.post(released.verdict, released.summary.commands)
    return verdicts.exit_code(released.verdict)
