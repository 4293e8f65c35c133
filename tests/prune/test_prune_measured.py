"""Ceilings on what can only be measured, with measurements that are worked out instead of taken."""

import block_nets
import prune_nets as nets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.errors import PruneError
from compressor.load.checkpoint import Checkpoint
from compressor.prune import Measured, count_cost, plan, slim
from compressor.prune.measured import NUM_EXPORTS
from compressor.prune.plan_record import Plan, Tried
from compressor.prune.timed import NARROW, NUM_CONFIRMED, NUM_ENLARGED, NUM_TIMED
from compressor.types import Structure

CHAIN = nets.in_memory(nets.Chain(), (3, 8, 8))


def widths_of(checkpoint: Checkpoint) -> tuple[int, int]:
    return checkpoint.model.conv1.out_channels, checkpoint.model.conv2.out_channels


def file_bytes(first: int, second: int) -> int:
    """Return what a file of a Chain would take: its numbers, less the norm that is folded away, and a header."""
    numbers = 28 * first + (9 * first * second + second) + (160 * second + 10)
    return 4 * numbers + 1000 + 3 * len(str(first)) + 5 * len(str(second))


class Files:
    """Counts how often a file is written."""

    def __init__(self) -> None:
        self.num = 0

    def __call__(self, checkpoint: Checkpoint, *, thorough: bool = False) -> Measured:
        """Return its bytes."""
        self.num += 1
        size = float(file_bytes(*widths_of(checkpoint)))
        return Measured(value=size, upper=size)


def kept(made: Plan) -> tuple[int, int]:
    first, second = (group.num_units - len(group.removed) for group in made.groups)
    return first, second


@settings(max_examples=12, deadline=None)
@given(fraction=st.floats(0.18, 0.98))
def test_bytes_are_never_more_and_nothing_more_fits(fraction: float) -> None:
    """For all ceilings: the file is below, with one channel more it is above, and few files were written."""
    files, dense = Files(), file_bytes(8, 12)
    limit = max(int(fraction * dense), file_bytes(1, 1))
    made = plan(CHAIN, target_bytes=limit, measure=files)
    first, second = kept(made)
    assert made.target is not None
    assert made.target.reached == file_bytes(first, second) <= limit
    larger = [
        file_bytes(*size) for size in ((first + 1, second), (first, second + 1)) if size[0] <= 8 and size[1] <= 12
    ]
    assert min(larger) > limit
    assert made.target.next_step is not None
    assert made.target.next_step.size == pytest.approx(min(larger), abs=128)
    assert files.num == len(made.target.tried) <= NUM_EXPORTS + 1
    assert made.target.tried[0].value == made.target.dense == dense


def test_a_file_that_cannot_be_so_small() -> None:
    """The error names the bytes of the smallest file, which was written to know."""
    smallest = file_bytes(1, 1)
    with pytest.raises(PruneError, match=f"smallest reachable model has {smallest:,} bytes of model.onnx"):
        plan(CHAIN, target_bytes=smallest - 1, measure=Files())
    with pytest.raises(PruneError, match="not below dense"):
        plan(CHAIN, target_bytes=file_bytes(8, 12), measure=Files())


class Clock:
    """Milliseconds by a formula of the multiply-adds, with an interval; the long measurement may say otherwise."""

    def __init__(self, *, bump: float = 0.0, drift: float = 0.0, drifts_above: int = 0) -> None:
        self.bump = bump
        """Added where the first layer has an odd number of channels: latency is not monotone."""
        self.drift, self.drifts_above = drift, drifts_above
        """What the long measurement adds, for models with more multiply-adds than this."""

    def __call__(self, checkpoint: Checkpoint, *, thorough: bool = False) -> Measured:
        """Return a time and the upper end of its interval."""
        macs = count_cost(checkpoint.model, checkpoint.input_shape).macs
        time = macs / 10_000 + self.bump * (widths_of(checkpoint)[0] % 2)
        drifted = self.drift if thorough and macs > self.drifts_above else 0.0
        return Measured(value=time + drifted, upper=time + drifted + (0.01 if thorough else 0.05))


def chain_macs(first: int, second: int) -> int:
    """Return its multiply-adds at 8 x 8 and, behind the stride, 4 x 4 positions."""
    return 64 * 27 * first + 16 * 9 * first * second + 160 * second


def thorough(made: Plan) -> list[Tried]:
    assert made.target is not None
    return [each for each in made.target.tried if each.thorough]


@settings(max_examples=8, deadline=None)
@given(limit=st.floats(0.6, 2.8), bump=st.sampled_from([0.0, 0.3]))
def test_latency_is_surely_below(limit: float, bump: float) -> None:
    """For all ceilings: the upper end of the long measurement is below, of the next larger one that was tried above."""
    made = plan(CHAIN, target_latency_ms=limit, measure=Clock(bump=bump))
    assert made.target is not None
    (own,) = (each for each in thorough(made) if each.macs == made.after.macs)
    assert own.upper == made.target.reached < limit
    assert len(thorough(made)) <= NUM_CONFIRMED + 1 + NUM_ENLARGED
    assert made.target.next_step is not None
    assert made.target.next_step.size >= limit
    assert made.target.dense == 29568 / 10_000
    assert len(made.target.tried) <= 1 + NUM_TIMED + NUM_CONFIRMED + 1 + NUM_ENLARGED


@settings(max_examples=4, deadline=None)
@given(limit=st.floats(0.6, 2.8))
def test_a_gap_is_given_back_to_single_layers(limit: float) -> None:
    """Where time follows multiply-adds, the gap is narrow, or not one channel more of either layer would be below."""
    made = plan(CHAIN, target_latency_ms=limit, measure=Clock())
    assert made.target is not None
    if made.target.gap_fraction > NARROW and len(thorough(made)) <= NUM_ENLARGED:
        first, second = kept(made)
        larger = [(first + 1, second)] * (first < 8) + [(first, second + 1)] * (second < 12)
        assert min(chain_macs(*size) for size in larger) / 10_000 + 0.01 >= limit


def test_a_gap_by_hand() -> None:
    """One ratio for both layers leaves a gap under 2.0 ms; single channels fill it, and the formula says the time."""
    made = plan(CHAIN, target_latency_ms=2.0, measure=Clock())
    assert made.target is not None
    first, second = kept(made)
    assert made.target.reached == pytest.approx(chain_macs(first, second) / 10_000 + 0.01)
    assert made.target.gap_fraction <= 0.02
    ratio_alone = next(each for each in thorough(made) if each.upper < 2.0)
    assert (2.0 - ratio_alone.upper) / made.target.dense > 0.02
    assert made.target.next_step is not None
    assert "in all" in made.target.next_step.gives_back


def test_a_winner_that_does_not_hold_up_steps_down() -> None:
    """Where the long measurement is above, the next largest is taken; the failed one stays in the record."""
    largest = thorough(plan(CHAIN, target_latency_ms=1.5, measure=Clock()))[0]
    made = plan(CHAIN, target_latency_ms=1.5, measure=Clock(drift=1.0, drifts_above=largest.macs - 1))
    assert made.after.macs < largest.macs
    assert made.target is not None
    long = thorough(made)
    assert long[0].macs == largest.macs
    assert long[0].upper > 1.5 > made.target.reached
    assert made.target.reached in [each.upper for each in long]


def residual_size(quantity: str, blocks: int, width: int) -> float:
    """Return what a stem of `width` channels, blocks and a head measure: bytes, or a share of the dense time."""
    if quantity == "bytes":
        return 4.0 * (4 * width + blocks * (9 * width**2 + width) + 10 * width + 10) + 1000
    return (64 * 3 * width + blocks * 64 * 9 * width**2 + 10 * width) / 112_208


@pytest.mark.parametrize("structure", [Structure.BLOCKS, Structure.BOTH])
@pytest.mark.parametrize("quantity", ["bytes", "latency_ratio", "latency_ms"])
@pytest.mark.parametrize("share", [0.45, 0.7])
def test_measured_ceilings_with_blocks(structure: Structure, quantity: str, share: float) -> None:
    """Three equal blocks of one width: the answer is below, and with one channel or one block more it would not be."""
    net = nets.in_memory(block_nets.Residuals(3))
    assert count_cost(net.model, net.input_shape).macs == 112_208
    slack = 1.0 if quantity == "bytes" else 1.005

    def measure(checkpoint: Checkpoint, *, thorough: bool = False) -> Measured:
        blocks = sum(isinstance(getattr(checkpoint.model, f"block{number}"), block_nets.Block) for number in range(3))
        value = residual_size(quantity, blocks, checkpoint.model.stem.out_channels)
        return Measured(value=value, upper=value * (slack if thorough or quantity == "bytes" else 1.03))

    target = int(share * residual_size("bytes", 3, 8)) if quantity == "bytes" else share
    made = plan(net, **{f"target_{quantity}": target}, measure=measure, structure=structure)
    width = made.groups[0].num_units - len(made.groups[0].removed) if made.groups else 8
    blocks = 3 - len(made.removed_blocks)
    assert blocks < 3
    assert made.target is not None
    assert made.target.reached == pytest.approx(slack * residual_size(quantity, blocks, width))
    assert made.target.reached <= target
    larger = (blocks, width + 1) if width < 8 else (blocks + 1, 8)
    assert slack * residual_size(quantity, *larger) > target
    assert made.target.next_step is not None
    assert made.target.next_step.size > target
    assert (structure is Structure.BLOCKS) == made.target.next_step.gives_back.startswith("block block")
    assert measure(slim(net, made), thorough=True).upper == made.target.reached


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"target_latency_ms": 0.01}, "the fastest of [0-9]+ measured models has at most 0.2132 ms"),
        ({"target_latency_ms": 5.0}, "removes nothing: the dense model has at most 3.007 ms"),
        ({"target_latency_ms": 0.0}, "leaves nothing"),
        ({"target_latency_ms": float("nan")}, "leaves nothing"),
        ({"target_latency_ratio": 1.0}, "removes nothing"),
    ],
)
def test_latencies_that_cannot_be_met(target: dict[str, float], words: str) -> None:
    """Unreachable and empty targets are refused with the numbers."""
    with pytest.raises(PruneError, match=words):
        plan(CHAIN, **target, measure=Clock())


def test_a_share_of_the_dense_latency() -> None:
    """A ratio is what the measure says; the dense model is 1 by definition and is not measured."""

    def ratio(checkpoint: Checkpoint, *, thorough: bool = False) -> Measured:
        value = count_cost(checkpoint.model, checkpoint.input_shape).macs / 29568
        return Measured(value=value, upper=value * 1.02)

    made = plan(CHAIN, target_latency_ratio=0.5, measure=ratio)
    assert made.target is not None
    assert made.target.dense == 1.0
    assert made.target.reached == pytest.approx(made.after.macs / 29568 * 1.02)
    assert 0.35 < made.target.reached < 0.5
    assert all(each.macs < 29568 for each in made.target.tried)
