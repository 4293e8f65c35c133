"""compress search: the smallest model that passes, as a bundle."""

import time

import typer

from cli import options
from cli.screen import Screen, show
from compressor.types import InputForm, Precision

EXAMPLE = "Example: compress search resnet18.pth --data photos/ --policy policy.toml --minimise latency --budget 2h"


def run(
    context: typer.Context,
    checkpoint: options.Checkpoint,
    *,
    data: options.RequiredData,
    policy: options.RequiredPolicy,
    minimise: options.Small,
    trials: options.Trials = None,
    budget: options.Budget = None,
    workers: options.NumWorkers = 1,
    storage: options.Storage = None,
    unsafe_accept: options.UnsafeAccept = None,
    because: options.Because = None,
    expect_accuracy: options.ExpectAccuracy = None,
    structure: options.FixedStructure = None,
    criterion: options.FixedCriterion = None,
    block_criterion: options.BlockCriterion = None,
    global_: options.GlobalScope = False,
    isomorphic: options.IsomorphicScope = False,
    round_to: options.RoundTo = None,
    keep: options.Keep = None,
    ratio_for: options.RatioFor = None,
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
    """Find the smallest model that passes, judged on select images; release that one alone, judged on test images."""
    begun = time.time()  # what is imported here takes seconds, and is of the budget too
    from cli import idle, outputs, searching, typed, verdicts
    from cli.alone import alone
    from cli.texts import estimate_json, estimate_text
    from compressor.search import search
    from compressor.search.database import check_engine
    from compressor.search.estimate import estimate_search

    idle.refuse_idle_choices(context)
    check_engine()
    screen = Screen(quiet=quiet, time_limit=time_limit)
    task, wanted = searching.search_of(context.params, commands=typed.typed_commands(context))
    idle.refuse_idle_method(context, task.recipe)
    outputs.check_folder(task.output)
    if storage is None:  # a shared database is there for others to do the same work
        alone(context)
    if dry_run:
        guess = estimate_search(checkpoint, task, wanted, progress=screen)
        show(estimate_json(guess) if json else estimate_text(guess))
        return 0
    found = search(checkpoint, task, wanted, begun=begun, progress=screen)
    show(searching.found_json(found) if json else searching.found_text(found))
    if found.released is None:
        return searching.without_winner(found)
    verdicts.post(found.released.verdict, found.released.summary.commands)
    return verdicts.exit_code(found.released.verdict)
