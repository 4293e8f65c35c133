"""Ceilings on what can only be measured, with measurements that are worked out instead of taken."""

import prune_nets as nets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.errors import PruneError
from compressor.load.checkpoint import Checkpoint
from compressor.prune import Measured, count_cost, plan
from compressor.prune.measured import NUM_EXPORTS
from compressor.prune.plan_record import Plan

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


@settings(max_examples=8, deadline=None)
@given(limit=st.floats(0.6, 2.8), bump=st.sampled_from([0.0, 0.3]))
def test_latency_is_surely_below(limit: float, bump: float) -> None:
    """For all ceilings: the upper end of the long measurement is below, of the next larger one that was tried above."""
    clock = Clock(bump=bump)
    made = plan(CHAIN, target_latency_ms=limit, measure=clock)
    assert made.target is not None
    last = made.target.tried[-1]
    assert last.thorough
    assert (last.macs, last.upper) == (made.after.macs, made.target.reached)
    assert made.target.reached < limit
    assert made.target.next_step is not None
    assert made.target.next_step.size >= limit
    assert made.target.dense == 29568 / 10_000
    if not bump:
        assert made.target.gap_fraction < 0.1


def test_a_winner_that_does_not_hold_up_steps_down() -> None:
    """Where the long measurement is above, the next largest is taken; the failed one stays in the record."""
    straight = plan(CHAIN, target_latency_ms=1.5, measure=Clock())
    assert straight.target is not None
    clock = Clock(drift=1.0, drifts_above=straight.after.macs - 1)
    made = plan(CHAIN, target_latency_ms=1.5, measure=clock)
    assert made.after.macs < straight.after.macs
    assert made.target is not None
    long = [each for each in made.target.tried if each.thorough]
    assert long[0].macs == straight.after.macs
    assert long[0].upper > 1.5 > long[-1].upper == made.target.reached


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
