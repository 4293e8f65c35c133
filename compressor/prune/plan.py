"""Choose what leaves a model: so much of it, or so much that the rest fits a ceiling. Nothing is cut here."""

from collections.abc import Callable, Mapping

from compressor.data.images import ImageSet
from compressor.errors import PruneError
from compressor.load.checkpoint import Checkpoint
from compressor.progress import SILENT, Progress
from compressor.prune.choose import Choice, Chooser, Wish
from compressor.prune.cost import Cost, count_cost
from compressor.prune.coupling import LeftOut
from compressor.prune.plan_record import SCHEMA, GroupPlan, Plan, Target
from compressor.prune.selectors import check_ratio
from compressor.prune.slim import slim
from compressor.prune.targets import NUM_HALVINGS, NUM_MEASUREMENTS, limit_of, smallest_ratio
from compressor.records import now, tool_version
from compressor.types import Structure


def plan(
    checkpoint: Checkpoint,
    *,
    ratio: float | None = None,
    target_macs: float | int | None = None,
    target_params: float | int | None = None,
    target_measure: float | None = None,
    measure: Callable[[Checkpoint], float] | None = None,
    structure: Structure = Structure.FILTERS,
    criterion: str = "l1",
    block_criterion: str | None = None,
    global_scope: bool = False,
    round_to: int | None = None,
    keep: tuple[str, ...] = (),
    ratio_for: Mapping[str, float] | None = None,
    train: ImageSet | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Plan:
    """Choose which filters or blocks leave.

    Exactly one of `ratio`, `target_macs`, `target_params` and `target_measure` says how much.

    Args:
        checkpoint: the dense model; not changed.
        ratio: fraction of the units of each group (of all, with `global_scope`) that leaves, and of the removable
            blocks, in (0, 1). Half the filters are about three quarters of the parameters and multiply-adds.
        target_macs: ceiling on the multiply-adds that stay: a fraction of dense below 1, or a number.
        target_params: the same for parameters.
        target_measure: ceiling on what `measure` says about the slim model.
        measure: any size of a slim checkpoint that falls as more leaves: bytes of its ONNX file, latency.
        structure: filters, blocks, or both (blocks first; one ratio for both).
        criterion: how filters are scored, a name in `CRITERIA`.
        block_criterion: `cka` or `l1`; None: cka where training images and their normalisation are known, else l1.
        global_scope: compare filters of different layers.
        round_to: widths are multiples of this; None: of 8, 4 or 2 as fits each layer (see `num_kept`).
        keep: globs of modules that stay whole.
        ratio_for: globs of modules with a ratio of their own; the smallest wins where several match.
        train: training images for criteria that need them.
        seed: of everything that is drawn.
        progress: told when blocks are tried.

    Returns:
        What leaves, what stays and why, and the exact cost before and after. Same arguments, same plan.

    Raises:
        PruneError: an argument cannot be met, or nothing would leave.
    """
    _check_one(ratio=ratio, target_macs=target_macs, target_params=target_params, target_measure=target_measure)
    wish = Wish(
        structure=structure,
        criterion=criterion,
        block_criterion=block_criterion,
        global_scope=global_scope,
        round_to=round_to,
        keep=keep,
        ratio_for=dict(ratio_for or {}),
        seed=seed,
    )
    if ratio is not None:
        check_ratio(ratio)
    chooser = Chooser(checkpoint, wish, train=train, progress=progress)
    before = count_cost(checkpoint.model, checkpoint.input_shape)

    def recorded(share: float, choice: Choice, target: Target | None) -> Plan:
        return _record(checkpoint, wish, chooser, before=before, ratio=share, choice=choice, target=target)

    if ratio is not None:
        found = recorded(ratio, chooser.choose(ratio), None)
    elif target_measure is not None:
        if measure is None:
            raise PruneError("target_measure needs a function `measure`", advice="pass measure=, or take target_macs")

        def measured(choice: Choice) -> float:
            made = recorded(0.5, choice, None)
            return measure(slim(checkpoint, made) if _leaves(choice) else checkpoint)

        share, choice, _ = smallest_ratio(chooser.choose, measured, target_measure, num_halvings=NUM_MEASUREMENTS)
        target = Target(quantity="measured", limit=target_measure, reached=measured(choice))
        found = recorded(share, choice, target)
    else:
        name, wanted = ("macs", target_macs) if target_macs is not None else ("params", target_params)
        assert wanted is not None

        def size(choice: Choice) -> int:
            return choice.cost.macs if name == "macs" else choice.cost.params

        limit = limit_of(wanted, before.macs if name == "macs" else before.params, f"--target-{name}")
        share, choice, above = smallest_ratio(chooser.choose, size, limit, num_halvings=NUM_HALVINGS)
        if above is not None and above.blocks == choice.blocks:
            choice = _fill_up(chooser, choice, above, lambda trial: size(trial) <= limit)
        found = recorded(share, choice, Target(quantity=name, limit=limit, reached=size(choice)))
    _refuse_nothing(found, chooser)
    return found


def _fill_up(chooser: Chooser, choice: Choice, above: Choice, fits: Callable[[Choice], bool]) -> Choice:
    """Give units back, group by group, while the rest still fits: all groups step together at one ratio."""
    for group in chooser.ground(choice.blocks).groups:
        if above.leaving.get(group.name) == choice.leaving.get(group.name):
            continue
        leaving = {name: units for name, units in choice.leaving.items() if name != group.name}
        if group.name in above.leaving:
            leaving[group.name] = above.leaving[group.name]
        trial = chooser.priced(choice.blocks, leaving)
        choice = trial if fits(trial) else choice
    return choice


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
            reason="its units score above those that leave" if wish.global_scope else "rounding keeps all of its units",
        )
        for group in ground.groups
        if group.name not in choice.leaving
    ]
    blocks = [LeftOut(name=name, num_units=1, reason="is a block kept by request") for name in chooser.kept_blocks]
    if wish.structure is Structure.BOTH and not chooser.removable:
        blocks.append(LeftOut(name="blocks", num_units=0, reason="no residual block can be left out of this model"))
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
        global_scope=wish.global_scope,
        round_to=wish.round_to,
        keep=wish.keep,
        ratio_for=dict(wish.ratio_for),
        seed=wish.seed,
        removed_blocks=choice.blocks,
        groups=groups,
        left_out=(*ground.left_out, *whole, *blocks),
        source=ground.source,
        before=before,
        after=choice.cost,
    )


def _leaves(choice: Choice) -> bool:
    return bool(choice.blocks or choice.leaving)


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
            f"no block would leave: this model has {num} removable residual block(s)",
            advice="raise --ratio, or take --structure filters" if num else "take --structure filters",
        )
    reasons = "; ".join(f"{left.name}: {left.reason}" for left in found.left_out[:3]) or "it has no layers to prune"
    raise PruneError(f"no filter would leave ({reasons})", advice="raise --ratio, or loosen --keep and --round-to")
