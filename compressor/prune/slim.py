"""Cut a model exactly as a plan says, and check that nothing else happened."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import torch
from torch import Tensor, nn

from compressor.errors import PruneError, first_line
from compressor.load.checkpoint import Checkpoint
from compressor.load.fit import replace_tensors
from compressor.prune.blocks import num_blocks, same_weights
from compressor.prune.cost import Cost, count_cost
from compressor.prune.coupling import CouplingGraph, trace_coupling
from compressor.prune.cut import cut_units
from compressor.prune.masked import kept_statistics, masked
from compressor.prune.plan_record import Plan
from compressor.prune.skeleton import output_shapes, plain_attention, skeleton, tensors_in

BATCHES = (2, 3)
SIDES = (32, 64, 96)
"""Image sizes that answers are compared at, where the model takes them."""
TOLERANCE = 1e-3
"""Largest difference between slim and masked logits, relative to the largest logit, in float32."""
UNCOMPARED = (
    "its answers were not compared with those of the masked dense model: it has norms over channels without a scale, "
    "which cannot be told to leave channels out; shapes, cost and finite answers were checked"
)
"""The note on a slim model whose oracle does not exist."""


def slim(checkpoint: Checkpoint, plan: Plan) -> Checkpoint:
    """Return a smaller model; the dense one is not touched.

    The result is checked. Without computing, on shapes: in eval and in train mode, at two batch sizes, it answers in
    the same shapes as before, and its counted cost is what the plan predicted. With numbers, in eval mode on one random
    image: its answers are finite, and where filters left they are those of the dense model with the same channels
    masked. Where norms over channels have no scale there is no such oracle; a note on the slim model says so.

    Args:
        checkpoint: the model the plan was made for, or one of the same structure.
        plan: from `plan`, or read from a file.

    Raises:
        PruneError: the plan does not fit the model, or a check fails.
    """
    if checkpoint.input_shape != plan.input_shape:
        raise PruneError(
            f"the plan was made for input {plan.input_shape}, the model takes {checkpoint.input_shape}",
            advice="make a new plan for this model",
        )
    leaving = plan.leaving()
    _check_once(plan)
    _check_blocks(checkpoint.model, plan)
    dense = same_weights(checkpoint.model, plan.removed_blocks)
    graph = trace_coupling(dense, plan.input_shape) if leaving else None
    made = same_weights(dense)
    if graph is not None:
        _check_fit(graph, plan)
        cut_units(made, graph, leaving)
    _own_the_rest(made, dense)
    _check_cost(made, plan)
    _check_shapes(checkpoint.model, made, plan.input_shape)
    image = _image(dense, plan)
    answers = _answers(made, image)
    if graph is not None and not graph.has_bare_norms:
        _check_answers(dense, graph, answers, image, plan)
    slimmer = checkpoint.followed_by(
        made, _line(checkpoint, plan), removed_blocks=(*checkpoint.removed_blocks, *plan.removed_blocks)
    )
    return replace(slimmer, notes=(UNCOMPARED,)) if graph is not None and graph.has_bare_norms else slimmer


def _own_the_rest(made: nn.Module, dense: nn.Module) -> None:
    """Copy the tensors that were not cut. Copying everything before cutting would hold a second dense model."""
    shared = {id(tensor) for tensor in chain(dense.parameters(), dense.buffers())}
    replace_tensors(made, lambda _, __, tensor: tensor.detach().clone() if id(tensor) in shared else tensor)


def _check_once(plan: Plan) -> None:
    """Refuse a file that names anything twice: whoever wrote it meant something else."""
    named: list[tuple[str, Sequence[str | int]]] = [
        ("group", [group.name for group in plan.groups]),
        ("block", plan.removed_blocks),
        *((f"group {group.name!r}: unit", group.removed) for group in plan.groups),
    ]
    for what, names in named:
        twice = next((name for name, num in Counter(names).items() if num > 1), None)
        if twice is not None:
            raise PruneError(f"the plan names {what} {twice!r} twice", advice=_again(plan))


def _check_blocks(model: nn.Module, plan: Plan) -> None:
    names = {name for name, module in model.named_modules() if not isinstance(module, nn.Identity)}
    for name in plan.removed_blocks:
        if name not in names:
            raise PruneError(f"the plan removes block {name!r}, which this model does not have", advice=_again(plan))


def _check_fit(graph: CouplingGraph, plan: Plan) -> None:
    """Refuse a plan for another model, naming the first thing that does not fit."""
    groups = {group.name: group for group in graph.groups}
    for wanted in plan.groups:
        found = groups.get(wanted.name)
        if found is None:
            raise PruneError(f"the plan has a group {wanted.name!r}, this model has none", advice=_again(plan))
        if found.num_units != wanted.num_units:
            raise PruneError(
                f"group {wanted.name!r} has {wanted.num_units} units in the plan and {found.num_units} in this model",
                advice=_again(plan),
            )
        if tuple(member.tensor for member in found.members) != wanted.tensors:
            raise PruneError(f"group {wanted.name!r} joins other layers in this model", advice=_again(plan))
        if wanted.removed and not 0 <= min(wanted.removed) <= max(wanted.removed) < found.num_units:
            raise PruneError(f"group {wanted.name!r} has no unit {max(wanted.removed)}", advice=_again(plan))
        if len(set(wanted.removed)) >= found.num_units:
            raise PruneError(f"the plan removes all units of group {wanted.name!r}", advice=_again(plan))


def _check_cost(made: nn.Module, plan: Plan) -> None:
    found = count_cost(made, plan.input_shape)
    if found != plan.after:
        counted, said = _first_difference(found, plan.after)
        raise PruneError(f"the slim model has {counted}, the plan said {said}", advice=_again(plan))


def _first_difference(one: Cost, other: Cost) -> tuple[str, str]:
    """Return in words what two costs differ in first."""
    pairs = (
        (one.filters, other.filters, "filters"),
        (one.params, other.params, "parameters"),
        (one.macs, other.macs, "multiply-adds"),
    )
    here, there, unit = next(pair for pair in pairs if pair[0] != pair[1])
    return f"{here:,} {unit}", f"{there:,}"


def _check_shapes(dense: nn.Module, made: nn.Module, input_shape: tuple[int, int, int]) -> None:
    before, after = skeleton(dense), skeleton(made)
    for train in (False, True):
        known = output_shapes(before, input_shape, batch=BATCHES[0], train=train)
        for batch in BATCHES:
            mode = f"in {'train' if train else 'eval'} mode with {batch} images"
            expected = [torch.Size([batch, *shape[1:]]) for shape in known]
            try:
                found = output_shapes(after, input_shape, batch=batch, train=train)
            except Exception as error:
                raise PruneError(
                    f"the slim model fails {mode}: {first_line(error)}", advice="add --keep for the layer that it names"
                ) from error
            if found != expected:
                said, meant = (", ".join("x".join(map(str, shape)) for shape in shapes) for shapes in (found, expected))
                raise PruneError(f"the slim model answers {said} {mode}, not {meant}", advice="prune with --keep")


def _image(dense: nn.Module, plan: Plan) -> Tensor:
    """Return the one random image that answers are looked at on, (1, C, H, W)."""
    return torch.rand(1, *_small_input(dense, plan.input_shape), generator=torch.Generator().manual_seed(plan.seed))


def _answers(made: nn.Module, image: Tensor) -> list[Tensor]:
    """Return what the slim model answers in eval mode.

    Raises:
        PruneError: a number in it is not finite.
    """
    with torch.inference_mode():
        answers = tensors_in(made.eval()(image))
    _check_finite(answers, "slim")
    return answers


def _check_answers(
    dense: nn.Module, graph: CouplingGraph, answers: Sequence[Tensor], image: Tensor, plan: Plan
) -> None:
    """Compare the slim model's answers with those of the masked dense model."""
    oracle = masked(dense, graph, plan.leaving()).eval()
    with plain_attention(), torch.no_grad(), kept_statistics(oracle, graph, plan.leaving()):
        known = tensors_in(oracle(image))
    _check_finite(known, "masked dense")
    for expected, found in zip(known, answers, strict=True):
        difference = (found - expected).abs().max()
        if not difference <= TOLERANCE * expected.abs().max():
            raise PruneError(
                f"the slim model answers other than the dense one with the same channels masked: by {difference:g}",
                advice="this is a fault of the coupling; please report the architecture, and prune blocks meanwhile",
            )


def _check_finite(answers: Sequence[Tensor], whose: str) -> None:
    """Refuse answers that compare with nothing: every comparison with NaN is false."""
    if not all(answer.isfinite().all() for answer in answers):
        raise PruneError(
            f"the {whose} model answers NaN or infinity on a random image",
            advice="look for NaN or huge numbers in the weights of the checkpoint; nothing pruned of it would answer",
        )


def _small_input(model: nn.Module, input_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the smallest input that the model takes: coupling does not depend on the size of the image."""
    empty = skeleton(model)
    expected = output_shapes(empty, input_shape, batch=1, train=False)
    for side in SIDES:
        small = (input_shape[0], side, side)
        if side < min(input_shape[1:]):
            try:
                if output_shapes(empty, small, batch=1, train=False) == expected:
                    return small
            except (RuntimeError, ValueError, AssertionError, TypeError):
                continue
    return input_shape


def _line(checkpoint: Checkpoint, plan: Plan) -> str:
    """Return the history line."""
    parts = []
    if plan.removed_blocks:
        num = num_blocks(checkpoint.model, plan.removed_blocks)
        parts.append(f"{num} {'block' if num == 1 else 'blocks'} ({plan.block_criterion})")
    if plan.leaving():
        lost = plan.before.filters - plan.after.filters
        parts.append(f"{lost} of {plan.before.filters} filters ({plan.criterion})")
    saved = 1 - plan.after.macs / plan.before.macs if plan.before.macs else 0.0
    made_for = "" if checkpoint.sha256 == plan.dense_sha256 else f"; the plan was made for {plan.dense_sha256[:8]}"
    return (
        f"pruned {' and '.join(parts)} at ratio {plan.ratio:.4g}: {plan.before.params:,} -> {plan.after.params:,} "
        f"parameters, {plan.before.macs:,} -> {plan.after.macs:,} multiply-adds ({saved:.1%} less){made_for}"
    )


def _again(plan: Plan) -> str:
    return f"the plan was made for {plan.architecture} ({plan.dense_sha256[:8]}); make a new one for this model"
