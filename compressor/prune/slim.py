"""Cut a model exactly as a plan says, and check that nothing else happened."""

from itertools import chain

import torch
from torch import nn

from compressor.errors import PruneError
from compressor.load.checkpoint import Checkpoint
from compressor.load.fit import replace_tensors
from compressor.prune.blocks import num_blocks, same_weights
from compressor.prune.cost import count_cost
from compressor.prune.coupling import CouplingGraph, trace_coupling
from compressor.prune.cut import cut_units
from compressor.prune.masked import kept_statistics, masked
from compressor.prune.plan_record import Plan
from compressor.prune.skeleton import first_line, output_shapes, plain_attention, skeleton, tensors_in

BATCHES = (2, 3)
SIDES = (32, 64, 96)
"""Image sizes that answers are compared at, where the model takes them."""
TOLERANCE = 1e-3
"""Largest difference between slim and masked logits, relative to the largest logit, in float32."""


def slim(checkpoint: Checkpoint, plan: Plan) -> Checkpoint:
    """Return a smaller model; the dense one is not touched.

    The result is checked: eval and train mode at two batch sizes answer in the same shapes as before, what is counted
    is what the plan predicted, and the answers are those of the dense model with the same channels masked.

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
    if graph is not None:
        _check_answers(dense, graph, made, plan)
    made.eval()
    return checkpoint.followed_by(
        made, _line(checkpoint, plan), removed_blocks=(*checkpoint.removed_blocks, *plan.removed_blocks)
    )


def _own_the_rest(made: nn.Module, dense: nn.Module) -> None:
    """Copy the tensors that were not cut. Copying everything before cutting would hold a second dense model."""
    shared = {id(tensor) for tensor in chain(dense.parameters(), dense.buffers())}
    replace_tensors(made, lambda _, __, tensor: tensor.detach().clone() if id(tensor) in shared else tensor)


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
        raise PruneError(f"the slim model costs {found}, the plan said {plan.after}", advice=_again(plan))


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
                raise PruneError(f"the slim model answers {found} {mode}, not {expected}", advice="prune with --keep")


def _check_answers(dense: nn.Module, graph: CouplingGraph, made: nn.Module, plan: Plan) -> None:
    """Compare with the masked dense model on one random image, unless norms cannot be told to leave channels out."""
    if graph.has_bare_norms:
        return
    image = torch.rand(1, *_small_input(dense, plan.input_shape), generator=torch.Generator().manual_seed(plan.seed))
    oracle = masked(dense, graph, plan.leaving()).eval()
    with plain_attention(), torch.no_grad(), kept_statistics(oracle, graph, plan.leaving()):
        known = tensors_in(oracle(image))
    with torch.inference_mode():
        answers = tensors_in(made.eval()(image))
    for expected, found in zip(known, answers, strict=True):
        difference = (found - expected).abs().max()
        if difference > TOLERANCE * expected.abs().max():
            raise PruneError(
                f"the slim model answers other than the dense one with the same channels masked: by {difference:g}",
                advice="this is a fault of the coupling; please report the architecture, and prune blocks meanwhile",
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
