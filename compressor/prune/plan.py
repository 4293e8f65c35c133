"""Choose what leaves a model: so much of it, or so much that the rest fits a ceiling. Nothing is cut here."""

from collections.abc import Mapping

from compressor.data.images import ImageSet
from compressor.errors import PruneError
from compressor.load.checkpoint import Checkpoint
from compressor.progress import SILENT, Progress
from compressor.prune.choose import Choice, Chooser
from compressor.prune.cost import Cost
from compressor.prune.coupling import LeftOut
from compressor.prune.measured import Bench, Measure
from compressor.prune.plan_record import SCHEMA, GroupPlan, Plan, Target
from compressor.prune.reach import reach_bytes, reach_counted, reach_latency
from compressor.prune.selectors import check_ratio
from compressor.prune.slim import slim
from compressor.prune.survey import Survey
from compressor.prune.wish import Wish
from compressor.records import now, tool_version
from compressor.types import Scope, Structure

WHOLE = {
    Scope.LOCAL: "rounding keeps all of its units",
    Scope.GLOBAL: "its units score above those that leave",
    Scope.ISOMORPHIC: "its units score above those that leave others of its structure",
}
"""Why a group that could lose units loses none."""


def plan(
    checkpoint: Checkpoint,
    *,
    ratio: float | None = None,
    target_macs: float | int | None = None,
    target_params: float | int | None = None,
    target_bytes: float | int | None = None,
    target_latency_ms: float | None = None,
    target_latency_ratio: float | None = None,
    measure: Measure | None = None,
    num_blocks: int | None = None,
    structure: Structure = Structure.FILTERS,
    criterion: str = "l1",
    block_criterion: str | None = None,
    scope: Scope = Scope.LOCAL,
    round_to: int | None = None,
    keep: tuple[str, ...] = (),
    ratio_for: Mapping[str, float] | None = None,
    train: ImageSet | None = None,
    seed: int = 0,
    survey: Survey | None = None,
    progress: Progress = SILENT,
) -> Plan:
    """Choose which filters or blocks leave.

    Exactly one of `ratio` and the targets says how much. A target is a ceiling on what stays; the answer never exceeds
    it, and neither would it fit with one step more of any part (a group's next width, a block).

    Args:
        checkpoint: the dense model; not changed.
        ratio: fraction of the units of each group (of all, by `scope`) that leaves, and of the removable
            blocks, in (0, 1). Half the filters are about three quarters of the parameters and multiply-adds.
        target_macs: ceiling on the multiply-adds that stay: a fraction of dense below 1, or a number.
        target_params: the same for parameters.
        target_bytes: the same for the bytes of the ONNX file, which `measure` tells.
        target_latency_ms: ceiling on the median latency that `measure` tells, in milliseconds: the upper end of its
            interval is below.
        target_latency_ratio: the same as a fraction of the dense model's latency, in (0, 1); `measure` tells the ratio.
        measure: tells how large or slow a slim checkpoint is, in the units of the target.
        num_blocks: with `ratio`, how many blocks leave; None: the ratio's share of them.
        structure: filters, blocks, or both (blocks first; one ratio for both).
        criterion: how filters are scored, a name in `CRITERIA`.
        block_criterion: a name in `BLOCK_CRITERIA`; None: cka where training images and their normalisation are known,
            else l1.
        scope: among which filters the lowest scores are looked for.
        round_to: widths are multiples of this; None: of 16, 8, 4 or 2 as fits each layer (see `widths`).
        keep: globs of modules that stay whole.
        ratio_for: globs of modules with a ratio of their own; the smallest wins where several match.
        train: training images for criteria that need them.
        seed: of everything that is drawn.
        survey: of this checkpoint with these images, from earlier plans: what it found is not looked for again.
        progress: told when blocks are tried.

    Returns:
        What leaves, what stays and why, and the exact cost before and after. Same arguments, same plan.

    Raises:
        PruneError: an argument cannot be met, or nothing would leave.
    """
    _check_one(
        ratio=ratio,
        target_macs=target_macs,
        target_params=target_params,
        target_bytes=target_bytes,
        target_latency_ms=target_latency_ms,
        target_latency_ratio=target_latency_ratio,
    )
    wish = Wish(
        structure=structure,
        criterion=criterion,
        block_criterion=block_criterion,
        scope=scope,
        round_to=round_to,
        keep=keep,
        ratio_for=dict(ratio_for or {}),
        seed=seed,
    )
    if ratio is not None:
        check_ratio(ratio)
    chooser = Chooser(survey or Survey(checkpoint, train=train, progress=progress), wish)
    before = chooser.priced((), {}).cost

    def recorded(share: float, choice: Choice, target: Target | None = None) -> Plan:
        return _record(checkpoint, wish, chooser, before=before, ratio=share, choice=choice, target=target)

    def made(choice: Choice) -> Checkpoint:
        return checkpoint if choice.is_empty else slim(checkpoint, recorded(0.5, choice))

    if ratio is not None:
        blocks = None if num_blocks is None else chooser.first_blocks(num_blocks)
        found = recorded(ratio, chooser.choose(ratio, blocks=blocks))
    elif target_macs is not None:
        found = recorded(*reach_counted(chooser, "macs", target_macs))
    elif target_params is not None:
        found = recorded(*reach_counted(chooser, "params", target_params))
    elif measure is None:
        raise PruneError("bytes and latency can only be measured", advice="pass measure=, or take target_params")
    else:
        bench = Bench(make=made, measure=measure, found={}, tried=[])
        if target_bytes is not None:
            found = recorded(*reach_bytes(chooser, bench, target_bytes, progress=progress))
        elif target_latency_ms is not None:
            found = recorded(*reach_latency(chooser, bench, "latency_ms", target_latency_ms, progress=progress))
        else:
            assert target_latency_ratio is not None
            found = recorded(*reach_latency(chooser, bench, "latency_ratio", target_latency_ratio, progress=progress))
    _refuse_nothing(found, chooser)
    return found


def _record(
    checkpoint: Checkpoint,
    wish: Wish,
    chooser: Chooser,
    *,
    before: Cost,
    ratio: float,
    choice: Choice,
    target: Target | None,
) -> Plan:
    ground = chooser.ground(choice.blocks)
    groups = tuple(
        GroupPlan(
            name=group.name,
            num_units=group.num_units,
            removed=choice.leaving.get(group.name, ()),
            tensors=tuple(member.tensor for member in group.members),
        )
        for group in ground.all_groups
    )
    whole = [
        LeftOut(
            name=group.name,
            num_units=group.num_units,
            reason=WHOLE[wish.scope],
        )
        for group in ground.groups
        if group.name not in choice.leaving
    ]
    blocks = [LeftOut(name=name, num_units=1, reason="is a block kept by request") for name in chooser.kept_blocks]
    if wish.structure is Structure.BOTH and not chooser.removable:
        blocks.append(LeftOut(name="blocks", num_units=0, reason="no block can be left out of this model"))
    elif wish.structure is Structure.BOTH and not choice.blocks:
        reason = "the ratio is too small for one" if target is None else "filters alone come closer to the ceiling"
        blocks.append(LeftOut(name="blocks", num_units=len(chooser.removable), reason=reason))
    return Plan(
        schema=SCHEMA,
        created=now(),
        tool_version=tool_version(),
        dense_sha256=checkpoint.sha256,
        architecture=checkpoint.architecture,
        input_shape=checkpoint.input_shape,
        structure=wish.structure,
        criterion=wish.criterion,
        block_criterion=None if wish.structure is Structure.FILTERS else chooser.block_criterion,
        ratio=ratio,
        target=target,
        scope=wish.scope,
        round_to=wish.round_to,
        keep=wish.keep,
        ratio_for=dict(wish.ratio_for),
        seed=wish.seed,
        removed_blocks=chooser.modules_of(choice.blocks),
        groups=groups,
        left_out=(*ground.left_out, *chooser.needed_blocks, *whole, *blocks),
        source=ground.source,
        before=before,
        after=choice.cost,
    )


def _check_one(**given: float | None) -> None:
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        said = f"{' and '.join(named)} were given together" if named else "nothing says how much is to leave"
        raise PruneError(said, advice=f"give exactly one of {', '.join(given)}, for example ratio 0.5 (removes half)")


def _refuse_nothing(found: Plan, chooser: Chooser) -> None:
    """Nothing is silent: a plan that removes nothing is an error."""
    if found.removed_blocks or found.leaving():
        return
    if found.structure is Structure.BLOCKS:
        num = len(chooser.removable)
        raise PruneError(
            f"no block would leave: this model has {num} removable block(s)",
            advice="raise --ratio, or take --structure filters" if num else "take --structure filters",
        )
    reasons = "; ".join(f"{left.name}: {left.reason}" for left in found.left_out[:3]) or "it has no layers to prune"
    raise PruneError(f"no filter would leave ({reasons})", advice="raise --ratio, or loosen --keep and --round-to")
