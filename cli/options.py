"""Every option, once: its name, variable, help text and panel. Commands pick what they take.

`FLAG_ONLY` holds what neither a variable nor a file may set: a pull request must not loosen its own gate.
"""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.completion import offered
from compressor.types import InputForm, Minimise, Precision, Structure

FLAG_ONLY = frozenset(
    {
        "policy", "unsafe_accept", "because", "trust_pickle", "expect_digest", "public_key", "recheck_seed",
        "explain", "init", "dry_run", "plan_only",  # done without judging: a file that says so would let anything pass
    }
)  # fmt: skip

POSITIONAL = frozenset({"context", "checkpoint", "model", "bundle", "evidence", "command", "config"})
"""Parameters of commands that a file cannot set."""


def option_name(parameter: str) -> str:
    """Return an option's name for the parameter it fills: `global_` dodges a keyword, `--global` need not."""
    return parameter.removesuffix("_")


def option_names(commands: Mapping[str, Callable[..., Any]]) -> dict[str, frozenset[str]]:
    """Return, per command, the names of the options that its signature takes."""
    return {
        name: frozenset(option_name(each) for each in inspect.signature(run).parameters if each not in POSITIONAL)
        for name, run in commands.items()
    }


SEARCH = "Search"
MODEL, DATA, PRUNE, TUNE, EXPORT, CERTIFY, BENCH, RUN = (
    "Model",
    "Data",
    "Pruning",
    "Fine-tuning",
    "Export",
    "Certificate",
    "Latency",
    "This run",
)


def _option(name: str, text: str, panel: str, **more: Any) -> Any:
    variable = name.split("/", maxsplit=1)[0].removeprefix("--").replace("-", "_")
    if variable not in FLAG_ONLY:
        more.setdefault("envvar", f"COMPRESS_{variable.upper()}")
    more.setdefault("autocompletion", offered(name))
    return typer.Option(name, *more.pop("short", ()), help=text, rich_help_panel=panel, show_envvar=False, **more)


Checkpoint = Annotated[Path, typer.Argument(metavar="CKPT", help="A trained checkpoint, or a slim one of ours.")]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A checkpoint, an .onnx file or a bundle.")]

Arch = Annotated[
    str | None,
    _option("--arch", "Architecture, e.g. torchvision:resnet18, cifar:resnet20, file.py:factory.", MODEL),
]
Preprocess = Annotated[
    str | None, _option("--preprocess", "none, imagenet, cifar10 or mean=..;std=.. . Never guessed.", MODEL)
]
InputSize = Annotated[str | None, _option("--input-size", "Height, or HxW, of the images.", MODEL, metavar="H[xW]")]
NumClasses = Annotated[int | None, _option("--num-classes", "How many classes the model knows.", MODEL, min=2)]
Labels = Annotated[Path | None, _option("--labels", "A file with one class name per line.", MODEL)]
MeasureSensitivity = Annotated[
    bool, _option("--sensitivity", "Measure what each layer's pruning alone costs; needs --data.", MODEL)
]
TrustPickle = Annotated[bool, _option("--trust-pickle", "Let the checkpoint run its own code while loading.", MODEL)]
Data = Annotated[str | None, _option("--data", "digits, cifar10:DIR, a folder, FILE.npz or file.py:factory.", DATA)]
RequiredData = Annotated[str, _option("--data", "digits, cifar10:DIR, a folder, FILE.npz or file.py:factory.", DATA)]
ExpectAccuracy = Annotated[
    float | None,
    _option("--expect-accuracy", "Stop unless the dense model reaches this on select images.", DATA, min=0, max=1),
]

Ratio = Annotated[
    float | None, _option("--ratio", "Fraction of filters (or removable blocks) that leave, above 0, below 1.", PRUNE)
]
TargetMacs = Annotated[
    str | None, _option("--target-macs", "Ceiling on what stays: 0.5 (of dense) or 20M multiply-adds.", PRUNE)
]
TargetParams = Annotated[
    str | None, _option("--target-params", "Ceiling on what stays: 0.5 (of dense) or 1.5M parameters.", PRUNE)
]
TargetBytes = Annotated[
    str | None, _option("--target-bytes", "Ceiling on what stays: 0.5 (of dense) or 1.5MB of model.onnx.", PRUNE)
]
TargetLatency = Annotated[
    str | None, _option("--target-latency", "Ceiling on the median, measured here: 0.5 (of dense) or 2ms.", PRUNE)
]
PlanFile = Annotated[Path | None, _option("--plan", "Carry out this plan.json instead of choosing.", PRUNE)]
PlanOnly = Annotated[bool, _option("--plan-only", "Write plan.json and stop.", PRUNE)]
PruneStructure = Annotated[Structure, _option("--structure", "What leaves.", PRUNE)]
CRITERIA_TEXT = (
    "How filters are ranked. By weights: l1, l2, lamp, fpgm, bn-scale, random. On training images of --data: "
    "expected-abs, hrank, kl, pls, taylor, hessian, robust."
)
Criterion = Annotated[str, _option("--criterion", CRITERIA_TEXT, PRUNE)]
FixedStructure = Annotated[Structure | None, _option("--structure", "What leaves; by default searched for.", PRUNE)]
FixedCriterion = Annotated[
    str | None,
    _option("--criterion", f"{CRITERIA_TEXT} By default searched for among l1, l2, bn-scale, taylor.", PRUNE),
]
BlockCriterion = Annotated[
    str | None,
    _option(
        "--block-criterion", "How blocks are ranked: l1, random, or with training images cka, consensus, pls.", PRUNE
    ),
]
GlobalScope = Annotated[bool, _option("--global", "Rank filters across all layers, not within each.", PRUNE)]
IsomorphicScope = Annotated[bool, _option("--isomorphic", "Rank filters across layers of the same structure.", PRUNE)]
RoundTo = Annotated[
    int | None,
    _option(
        "--round-to",
        "Keep widths a multiple of this (16 suits CPUs); by default 16, or 8, 4, 2 in narrow layers.",
        PRUNE,
        min=1,
    ),
]
Keep = Annotated[list[str] | None, _option("--keep", "Modules that stay whole (glob, repeatable).", PRUNE)]
RatioFor = Annotated[
    list[str] | None, _option("--ratio-for", "Another ratio for some modules (repeatable).", PRUNE, metavar="GLOB=R")
]

Small = Annotated[Minimise, _option("--minimise", "What the model that passes has least of.", SEARCH)]
Trials = Annotated[
    int | None,
    _option(
        "--trials",
        "Heats in all, 20 if neither this nor --budget is said: of four candidates of one size that are looked at, the "
        "best is tuned by the recipe and attacked.",
        SEARCH,
        min=1,
    ),
]
Budget = Annotated[
    str | None, _option("--budget", "Time for this run, the winner's release included, e.g. 2h.", SEARCH)
]
NumWorkers = Annotated[int, _option("--workers", "Processes on this machine.", SEARCH, min=1)]
Storage = Annotated[
    str | None,
    _option(
        "--storage",
        "URL of a database that several processes or machines share, e.g. postgresql://host/name; by default an SQLite "
        "file in --work-dir.",
        SEARCH,
        metavar="URL",
    ),
]

Steps = Annotated[
    int, _option("--steps", "Prune in so many steps, with an epoch of fine-tuning in between.", PRUNE, min=1)
]
TuningRecipe = Annotated[
    str | None, _option("--recipe", "few (epochs), full (run), or a TOML file of recipe values.", TUNE)
]
SetValues = Annotated[
    list[str] | None,
    _option("--set", "Any other recipe value, e.g. weight_decay=1e-4 (repeatable).", TUNE, metavar="NAME=VALUE"),
]
Epochs = Annotated[int | None, _option("--epochs", "Passes over the training images.", TUNE, min=0)]
LearningRate = Annotated[
    float | None, _option("--lr", "Peak learning rate at a batch of 128; it grows with the batch.", TUNE)
]
TrainingBatch = Annotated[int | None, _option("--batch-size", "Images per optimizer step.", TUNE, min=2)]
Distill = Annotated[
    bool | None,
    _option("--distill/--no-distill", "Learn from the dense model's answers as well.", TUNE),
]
DistillFrom = Annotated[Path | None, _option("--distill-from", "Checkpoint of the teacher.", TUNE)]
Adversarial = Annotated[
    str | None, _option("--adversarial", "Train on adversarial examples of this threat.", TUNE, metavar="THREAT")
]
AdversarialMethod = Annotated[
    str | None, _option("--adversarial-method", "How: pgd, trades, or the cheap fast and free.", TUNE)
]
Augment = Annotated[
    str | None,
    _option(
        "--augment", "auto, none, crop, crop-flip, resized-crop, trivial-augment; for robustness augmix, noise.", TUNE
    ),
]
Compile = Annotated[
    bool | None,
    _option("--compile/--no-compile", "Train by torch.compile; resuming is then not to the bit.", TUNE),
]
Control = Annotated[bool, _option("--control", "Also tune the dense model by the same recipe.", TUNE)]

ExportPrecision = Annotated[
    Precision, _option("--precision", "In which numbers model.onnx computes; int8 needs select images.", EXPORT)
]
ExportInput = Annotated[
    InputForm, _option("--input", "What model.onnx takes: images in [0, 1], or raw frames.", EXPORT)
]
AlsoOrt = Annotated[bool, _option("--also-ort", "Write model.ort for mobile runtimes as well.", EXPORT)]
Opset = Annotated[int, _option("--opset", "ONNX operator set, 13 to 20.", EXPORT)]
ExportBatch = Annotated[str, _option("--export-batch", "dynamic, or one fixed batch size.", EXPORT)]

Threats = Annotated[
    list[str] | None,
    _option("--threat", "Norm and radius, e.g. linf:8/255 (repeatable).", CERTIFY, metavar="NORM:EPSILON"),
]
Battery = Annotated[str | None, _option("--battery", "quick, standard, full or a TOML file.", CERTIFY)]
NumImages = Annotated[int, _option("--num-images", "Test images, a seeded stratified sample.", CERTIFY, min=1)]
SelectImages = Annotated[
    int, _option("--num-images", "Select images to measure on, a seeded stratified sample.", DATA, min=1)
]
BaselineFile = Annotated[Path | None, _option("--baseline", "The dense checkpoint to compare with.", CERTIFY)]
Decide = Annotated[
    Path | None,
    _option("--decide", "Stop attacking once this policy's verdict is certain.", CERTIFY, metavar="POLICY"),
]
DecideNow = Annotated[
    bool, _option("--decide/--no-decide", "Stop attacking once the policy's verdict is certain.", CERTIFY)
]
Corruptions = Annotated[
    bool, _option("--corruptions", "Also noise, blur, weather, compression, and shifts in the worst place.", CERTIFY)
]
CorruptionsFrom = Annotated[
    Path | None, _option("--corruptions-from", "Take them from the published CIFAR-10-C arrays here.", CERTIFY)
]
Prove = Annotated[bool, _option("--prove", "Also prove a lower bound, where the network is small.", CERTIFY)]
Audit = Annotated[int, _option("--audit", "Run `full` on this many random survivors.", CERTIFY, min=0)]

Provider = Annotated[str | None, _option("--provider", "cpu, cuda or tensorrt.", BENCH)]
Batch = Annotated[list[int] | None, _option("--batch", "Batch size to time (repeatable).", BENCH, min=1)]
Threads = Annotated[int | None, _option("--threads", "Threads of onnxruntime.", BENCH, min=1)]
NumRuns = Annotated[
    int | None,
    _option("--num-runs", "Timed runs per row; p99 needs 1,000. Default: two seconds.", BENCH, min=30),
]
CudaGraphs = Annotated[bool, _option("--cuda-graphs", "On a GPU, also time the captured CUDA graph.", BENCH)]
AgainstFile = Annotated[Path | None, _option("--against", "Interleave with this model and give the ratio.", BENCH)]

PolicyFile = Annotated[Path | None, _option("--policy", "What is demanded, a policy.toml.", RUN)]
RequiredPolicy = Annotated[Path, _option("--policy", "What is demanded, a policy.toml.", RUN)]
UnsafeAccept = Annotated[
    list[str] | None, _option("--unsafe-accept", "Let this blocking condition pass; kept for ever.", RUN, metavar="ID")
]
Because = Annotated[list[str] | None, _option("--because", "Why, once for each --unsafe-accept.", RUN, metavar="TEXT")]
Device = Annotated[str, _option("--device", "auto, cpu or cuda[:i].", RUN)]
Seed = Annotated[int, _option("--seed", "Same seed, same answer.", RUN, min=0)]
RecheckSeed = Annotated[
    int | None,
    _option("--seed", "Of --recheck; by default one that nobody could foresee.", RUN, min=0, envvar=None),
]
BatchSize = Annotated[int, _option("--batch-size", "Images in flight; never changes a result.", RUN, min=1)]
Output = Annotated[Path | None, _option("--output", "Where to write.", RUN, short=("-o",))]
Force = Annotated[bool, _option("--force", "Overwrite what differs.", RUN)]
Json = Annotated[bool, _option("--json", "The record on stdout, words on stderr.", RUN)]
Config = Annotated[Path | None, _option("--config", "Read options from this TOML file.", RUN)]
CacheDir = Annotated[
    Path | None, _option("--cache-dir", "Keep resized training images here; by default in --work-dir.", RUN)
]
Resume = Annotated[bool, _option("--resume/--no-resume", "Go on from the state in --work-dir.", RUN)]
WorkDir = Annotated[Path, _option("--work-dir", "Where state for resuming lives.", RUN)]
TimeLimit = Annotated[str | None, _option("--time-limit", "Stop after this long, e.g. 25m; resumable.", RUN)]
DryRun = Annotated[bool, _option("--dry-run", "Say what would be done, and stop.", RUN)]
Quiet = Annotated[bool, _option("--quiet", "No progress.", RUN, short=("-q",))]
Debug = Annotated[bool, _option("--debug", "Show tracebacks.", RUN)]

WORK_DIR = Path(".compress")
EXPORTS = Path("exports")
