"""What a release is asked for: refused at the beginning by whatever is asked for it, and filled in from the policy."""

from dataclasses import replace
from pathlib import Path

import pytest

import compressor
from compressor.asked import timings_of
from compressor.errors import CompressorError, DataError, OptionError, PolicyError
from compressor.estimate import estimate_release
from compressor.export.form import Form
from compressor.gate.policy import parse_policy
from compressor.search.estimate import estimate_search
from compressor.search.wanted import Wanted
from compressor.task import Cut, Place, Task, Timing
from compressor.types import Minimise, Scope, Structure

PLAIN = 'schema = "compress.policy/1"\n[accuracy]\nmin = 0.5\n'
LATENCY = '[[latency]]\nprovider = "cpu"\nbatch = {}\nthreads = 1\nmax_p50_ms = 1000\n'


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """Return a release under a policy without a threat."""
    policy = tmp_path / "policy.toml"
    policy.write_text(PLAIN)
    place = Place(work_dir=tmp_path / "work")
    return Task(data="digits", policy=policy, cut=Cut(ratio=0.3), output=tmp_path / "exports", place=place)


@pytest.mark.parametrize(
    ("changed", "policy", "error"),
    [
        ({}, 'schema = "compress.policy/2"\n', PolicyError),
        ({"battery": "hearsay"}, PLAIN, OptionError),
        ({}, PLAIN + '[evidence]\nbattery = "hearsay"\n', OptionError),
        ({"prove": True}, PLAIN, OptionError),
        ({"audit": 4}, PLAIN, OptionError),
        ({"timing": Timing(provider="npu")}, PLAIN, OptionError),
        ({"timing": Timing(batches=(4, 1)), "form": Form(batch="4")}, PLAIN, OptionError),
        ({"form": Form(batch="4")}, PLAIN + LATENCY.format(1), OptionError),
        ({"expect_accuracy": 1.01}, PLAIN, DataError),
    ],
)
def test_release_search_and_estimates_refuse_alike(
    task: Task, digits_checkpoint: Path, changed: dict[str, object], policy: str, error: type[CompressorError]
) -> None:
    """What cannot be is refused by all four before anything is trained: no dry run says that it can be."""
    task.policy.write_text(policy)
    task, wanted = replace(task, **changed), Wanted(minimise=Minimise.MACS, num_trials=1)
    searched = replace(task, cut=Cut())
    for refusing in (
        lambda: compressor.release(digits_checkpoint, task),
        lambda: estimate_release(digits_checkpoint, task),
        lambda: compressor.search(digits_checkpoint, searched, wanted),
        lambda: estimate_search(digits_checkpoint, searched, wanted),
    ):
        with pytest.raises(error):
            refusing()
    assert not task.output.exists()
    assert not task.place.work_dir.exists()


def test_each_latency_row_of_a_policy_is_timed_once(task: Task) -> None:
    """Rows that ask for the same configuration share one measurement; what the user says takes their place."""
    policy = parse_policy(PLAIN + LATENCY.format(1) + LATENCY.format(2), "test")
    assert timings_of(task, policy) == [Timing(batches=(1,)), Timing(batches=(2,))]
    assert timings_of(task, parse_policy(PLAIN, "test")) == [Timing()]
    assert timings_of(replace(task, timing=Timing(threads=2)), policy) == [Timing(threads=2)]
    assert timings_of(replace(task, form=Form(batch="4")), parse_policy(PLAIN, "test")) == [Timing(batches=(4,))]


def test_plain_words_of_a_caller_are_taken_as_what_they_stand_for() -> None:
    """Stages tell them apart by what they are: "filters" must not fall through to blocks, nor "macs" to latency."""
    assert Cut(structure="blocks", scope="global") == Cut(structure=Structure.BLOCKS, scope=Scope.GLOBAL)
    assert Cut(structure="blocks").structure is Structure.BLOCKS
    assert Wanted(minimise="macs", structure="both").minimise is Minimise.MACS
    for make in (
        lambda: Cut(structure="filter"),
        lambda: Cut(scope="nonsense"),
        lambda: Wanted(minimise="mac"),
        lambda: Wanted(minimise="macs", structure="filter"),
    ):
        with pytest.raises(OptionError) as caught:
            make()
        assert caught.value.advice.startswith("use one of: ")
