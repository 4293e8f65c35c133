"""compress certify: attack a model and conclude."""

import typer

from cli import options
from cli.screen import Screen, show

EXAMPLE = "Example: compress certify exports/resnet18-1a2b3c4d --data photos/ --threat linf:2/255"


def run(
    context: typer.Context,
    model: options.Model,
    *,
    data: options.RequiredData,
    threat: options.Threats = None,
    battery: options.Battery = None,
    num_images: options.NumImages = 1000,
    audit: options.Audit = 0,
    corruptions: options.Corruptions = False,
    corruptions_from: options.CorruptionsFrom = None,
    prove: options.Prove = False,
    decide: options.Decide = None,
    baseline: options.BaselineFile = None,
    expect_accuracy: options.ExpectAccuracy = None,
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
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Write certificate.json and outcomes.npz. It concludes; `compress gate` judges."""
    from cli import choices, identical, idle, outputs, texts, typed
    from cli.alone import alone
    from cli.asked import certificate_asked
    from compressor import steps
    from compressor.certify.certificate import SCHEMA, with_commands
    from compressor.estimate import estimate_certify
    from compressor.records import dump
    from compressor.runtime.crew import joined
    from compressor.subject import open_subject

    crew = context.with_resource(joined())
    screen = Screen(quiet=quiet or not crew.is_first, time_limit=time_limit)
    proof, place = choices.proof_of(context.params), choices.place_of(context.params, crew)
    idle.refuse_idle_battery(context, num_threats=len(proof.threats))
    path = outputs.destination(output, "certificate.json", (".json",), schema=SCHEMA, force=force)
    alone(context)
    subject = open_subject(model, **choices.source_of(context.params))
    twin, images = steps.fit(
        subject.checkpoint, data, expect_accuracy=expect_accuracy, seed=seed, device=place.device, progress=screen
    )
    like = {"preprocess": twin.preprocess, "input_size": (twin.input_shape[1], twin.input_shape[2])}
    dense = None if baseline is None else open_subject(baseline, **like).checkpoint
    asked = certificate_asked(subject, twin, images, proof=proof, baseline=dense, seed=seed)
    identical.refuse_other(path, SCHEMA, asked, force=force)
    if crew.is_first:
        num_models = 1 if dense is None else 2
        guess = estimate_certify(twin, images, proof=proof, num_models=num_models, device=place.device)
        if dry_run:
            show(texts.estimate_json(guess) if json else texts.estimate_text(guess))
        else:
            screen.say(texts.estimate_sentence(guess, crew.size))
    if dry_run:
        return 0
    certificate, outcomes = steps.prove(
        twin, images, proof=proof, artefact=subject.onnx, baseline=dense, seed=seed, place=place, progress=screen
    )
    if not crew.is_first:
        return 0
    certificate = with_commands(certificate, typed.typed_commands(context))
    contents = {path: dump(certificate), outputs.outcomes_beside(path): outcomes.to_bytes()}
    outputs.write_outputs(contents, force=force)
    show(dump(certificate).decode() if json else texts.certificate_text(certificate, path))
    return 0
