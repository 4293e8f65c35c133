"""compress bench: how long does one image take, here?"""

import typer

from cli import options
from cli.screen import Screen, show

EXAMPLE = "Example: compress bench exports/resnet18-1a2b3c4d --against resnet18.pth"


def run(
    context: typer.Context,
    model: options.Model,
    *,
    against: options.AgainstFile = None,
    provider: options.Provider = None,
    batch: options.Batch = None,
    threads: options.Threads = None,
    num_runs: options.NumRuns = None,
    cuda_graphs: options.CudaGraphs = False,
    arch: options.Arch = None,
    preprocess: options.Preprocess = None,
    input_size: options.InputSize = None,
    num_classes: options.NumClasses = None,
    labels: options.Labels = None,
    trust_pickle: options.TrustPickle = False,
    output: options.Output = None,
    force: options.Force = False,
    json: options.Json = False,
    config: options.Config = None,
    time_limit: options.TimeLimit = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Time a checkpoint, an .onnx file or a bundle in onnxruntime: latency.json."""
    from cli import choices, identical, outputs, texts
    from cli.asked import latency_asked
    from compressor import steps
    from compressor.bench.record import SCHEMA
    from compressor.records import dump
    from compressor.subject import onnx_of, onnx_to_compare_with

    screen = Screen(quiet=quiet, time_limit=time_limit)
    path = outputs.destination(output, "latency.json", (".json",), schema=SCHEMA, force=force)
    how = choices.source_of(context.params)
    file = onnx_of(model, **how)
    other = None if against is None else onnx_to_compare_with(against, **how)
    timing = choices.timing_of(context.params)
    identical.refuse_other(path, SCHEMA, latency_asked(file, other, timing), force=force)
    if dry_run:
        words = f"would time {model} on {timing.provider}, batch {timing.batches}, {timing.threads} threads"
        show(outputs.as_json("intention", words=words) if json else words)
        return 0
    latency = steps.measure(file, against=other, timing=timing, progress=screen)
    outputs.write_output(path, dump(latency), force=force)
    if json:
        show(dump(latency).decode())
    else:
        show(texts.latency_text(latency, path))
        show(texts.after_bench(model, path, is_compared=against is not None))
    return 0
