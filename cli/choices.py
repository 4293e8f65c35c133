"""From a command's parameters to what the library takes. Imports torch: only commands import this, when they run.

A command's signature is what Typer reads; its parsed values stand in `context.params` under the same names.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli import outputs
from cli.options import EXPORTS
from cli.tuning import cache_dir, recipe_of
from cli.values import parse_accept, parse_ceiling, parse_latency, parse_ratio_for, parse_size
from compressor.attacks import parse_threat
from compressor.certify.battery import read_battery
from compressor.certify.refusing import check_auditing, check_proving
from compressor.corruptions.published import check_folder
from compressor.data import parse_preprocess
from compressor.errors import OptionError
from compressor.export.form import Form
from compressor.gate.policy import demands_of, read_policy, threats_of
from compressor.gate.units import SIZE_UNITS
from compressor.load import read_labels
from compressor.prune import Plan
from compressor.records import parse
from compressor.runtime.crew import ALONE, Crew
from compressor.runtime.device import resolve_device
from compressor.task import Cut, Place, Proof, Task, Timing
from compressor.types import Scope

Params = Mapping[str, Any]

WAYS = ("ratio", "target_macs", "target_params", "target_bytes", "target_latency", "plan")
"""Options that say how much leaves."""

STEPWISE = ("ratio", "target_macs", "target_params")
"""Those that can be taken in several steps."""


def source_of(params: Params) -> dict[str, Any]:
    """Return the keywords of `compressor.load` that the model options stand for."""
    preprocess, labels = params["preprocess"], params["labels"]
    return {
        "arch": params["arch"],
        "preprocess": None if preprocess is None else parse_preprocess(preprocess),
        "input_size": parse_size(params["input_size"]),
        "num_classes": params["num_classes"],
        "labels": None if labels is None else read_labels(labels),
        "trust_pickle": params["trust_pickle"],
    }


def cut_of(params: Params) -> Cut:
    """Return how much leaves; exactly one of --ratio, the targets and --plan must say so.

    Raises:
        OptionError: none of them, or more than one.
    """
    ways = [name for name in WAYS if params.get(name) is not None]
    if len(ways) != 1:
        given = " and ".join(f"--{name.replace('_', '-')}" for name in ways)
        raise OptionError(
            f"how much shall leave? {f'{given} were given' if given else 'nothing was given'}",
            advice="give one of --ratio 0.5, --target-macs 20M, --target-params 0.5, --target-bytes 1.5MB, "
            "--target-latency 2ms, --plan plan.json",
        )
    plan = params.get("plan")
    if params["steps"] > 1 and (ways[0] not in STEPWISE or params.get("plan_only")):
        raise OptionError(
            "--steps prunes what the step before left, so there is no one plan beforehand"
            if params.get("plan_only")
            else f"--steps cannot be carried out with --{ways[0].replace('_', '-')}",
            advice="use it with --ratio, --target-macs or --target-params, and without --plan-only",
        )
    milliseconds, share = parse_latency("--target-latency", params["target_latency"])
    return Cut(
        ratio=params["ratio"],
        target_macs=parse_ceiling("--target-macs", params["target_macs"]),
        target_params=parse_ceiling("--target-params", params["target_params"]),
        target_bytes=parse_ceiling("--target-bytes", params["target_bytes"], units=SIZE_UNITS, example="1.5MB"),
        target_latency_ms=milliseconds,
        target_latency_ratio=share,
        ready=None if plan is None else _plan_at(plan),
        num_steps=params["steps"],
        structure=params["structure"],
        criterion=params["criterion"],
        block_criterion=params["block_criterion"],
        scope=scope_of(params),
        round_to=params["round_to"],
        keep=tuple(params["keep"] or ()),
        ratio_for=parse_ratio_for(params["ratio_for"]),
    )


def scope_of(params: Params) -> Scope:
    """Return among which filters the lowest scores are looked for.

    Raises:
        OptionError: two answers.
    """
    if params["global_"] and params["isomorphic"]:
        raise OptionError(
            "--global and --isomorphic were given together",
            advice="give one: --global ranks all filters together, --isomorphic those of layers of the same structure",
        )
    return Scope.GLOBAL if params["global_"] else Scope.ISOMORPHIC if params["isomorphic"] else Scope.LOCAL


def _plan_at(path: Path) -> Plan:
    """Read a plan file.

    Raises:
        OptionError: there is no such file.
        EvidenceError: it is not a plan.
    """
    if not path.is_file():
        raise OptionError(f"--plan {path} is not a file", advice="write one with compress prune --plan-only")
    return parse(path.read_bytes(), Plan, source=str(path))


def pruned_file(params: Params) -> Path:
    """Return the file that prune writes; an ending that is none of ours is a mistake, and not the name of a folder.

    Raises:
        OptionError: another ending.
        OutputError: nothing can be written there.
    """
    output: Path | None = params["output"]
    suffixes = (".json",) if params["plan_only"] else (".safetensors", ".pt")
    if output is not None and output.suffix and output.suffix not in suffixes and not output.is_dir():
        raise OptionError(
            f"--output {output} ends in {output.suffix}, which is not written here",
            advice=f"end it in {' or '.join(suffixes)}, or name a folder that is there",
        )
    name = "plan.json" if params["plan_only"] else f"{params['checkpoint'].stem}-slim.safetensors"
    return outputs.destination(output, name, suffixes)


def proof_of(params: Params) -> Proof:
    """Return what the battery is asked; an unknown battery, threat or policy is refused before any work.

    Raises:
        OptionError: an unknown battery or threat, a policy under which attacking decides nothing, or nothing to prove
            or audit.
        PolicyError: --decide is not a policy.
    """
    threats = tuple(parse_threat(text) for text in params["threat"] or ())
    battery, demands = params["battery"], None
    is_demanded = False
    if params["decide"] is not None:
        policy = read_policy(params["decide"])
        demands = demands_of(policy)
        if demands is None:
            raise OptionError(
                f"--decide {params['decide']} demands nothing of accuracy or robust accuracy: nothing to decide",
                advice="leave --decide out, or give the policy a min or max_drop",
            )
        threats, battery = (*threats, *threats_of(policy)), battery or policy.evidence.battery
        is_demanded = policy.corruptions.min is not None
    read_battery(battery or "standard")
    check_proving(prove=params["prove"], threats=threats)
    check_auditing(audit=params["audit"], threats=threats)
    return Proof(
        threats=threats,
        battery=battery or "standard",
        num_images=params["num_images"],
        audit=params["audit"],
        demands=demands,
        corruptions=_is_corrupted(params) or is_demanded,
        corruptions_from=params["corruptions_from"],
        prove=params["prove"],
    )


def _is_corrupted(params: Params) -> bool:
    """Return whether images are corrupted too; naming the arrays to take asks for it.

    Raises:
        OptionError: there is no such folder.
        DataError: it lacks an array.
    """
    folder: Path | None = params["corruptions_from"]
    if folder is not None and not folder.is_dir():
        raise OptionError(
            f"--corruptions-from {folder} is not a folder",
            advice="give the folder that CIFAR-10-C was unpacked to, or use --corruptions",
        )
    if folder is not None:
        check_folder(folder)
    return bool(params["corruptions"]) or folder is not None


def place_of(params: Params, crew: Crew = ALONE) -> Place:
    """Return where and how this run computes."""
    return Place(
        device=resolve_device(params["device"]),
        batch_size=params.get("batch_size") or 256,
        crew=crew,
        cache_dir=cache_dir(params),
        work_dir=params["work_dir"] if params["resume"] else None,
    )


def timing_of(params: Params, *, batch: int | None = None) -> Timing:
    """Return what is timed.

    Args:
        params: of the command.
        batch: the one that the file takes; None: any.
    """
    return Timing(
        provider=params["provider"] or "cpu",
        batches=tuple(params["batch"] or (batch or 1,)),
        threads=params["threads"] or 1,
        num_runs=params.get("num_runs"),
        cuda_graphs=params.get("cuda_graphs", False),
    )


def form_of(params: Params) -> Form:
    """Return how the file is written; options that a command lacks have their defaults.

    Raises:
        ExportError: an opset that is not written.
        OptionError: a batch size that is none.
    """
    named = {"opset": "opset", "export_batch": "batch", "precision": "precision", "input_": "input_form"}
    return Form(**{field: params[name] for name, field in named.items() if name in params})


def release_of(params: Params, *, cut: Cut | None = None, commands: tuple[str, ...] = ()) -> Task:
    """Return everything that a release is asked for.

    Args:
        params: of the command.
        cut: how much leaves; None: what the options say.
        commands: as it was typed.

    Raises:
        OptionError: options that contradict each other.
    """
    timed, form = any(params[name] is not None for name in ("provider", "batch", "threads")), form_of(params)
    return Task(
        data=params["data"],
        policy=params["policy"],
        cut=cut_of(params) if cut is None else cut,
        recipe=recipe_of(params),
        control=params["control"],
        battery=params["battery"],
        num_images=params["num_images"],
        audit=params["audit"],
        decide=params["decide"],
        corruptions=_is_corrupted(params),
        corruptions_from=params["corruptions_from"],
        prove=params["prove"],
        timing=timing_of(params, batch=form.fixed_batch) if timed else None,
        form=form,
        also_ort=params["also_ort"],
        accept=parse_accept(params["unsafe_accept"], params["because"]),
        expect_accuracy=params["expect_accuracy"],
        source=source_of(params),
        commands=commands,
        output=params["output"] or EXPORTS,
        force=params["force"],
        seed=params["seed"],
        place=place_of(params),
    )
