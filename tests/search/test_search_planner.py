"""From a candidate to a plan: never more than was allowed, spread as the profile says."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from compressor.data import Data, open_data, parse_preprocess
from compressor.load import Checkpoint, build, load
from compressor.prune import CRITERIA, Group, trace_coupling
from compressor.prune.criteria import Material, Scores
from compressor.search.planner import STEEPNESS, Planner, digest_of_cut
from compressor.search.record import Candidate, Profile
from compressor.search.space import Space, space_of, stages_of
from compressor.search.wanted import Wanted
from compressor.task import Cut
from compressor.types import Minimise, Skipped, Structure


@pytest.fixture(scope="module")
def dense() -> Checkpoint:
    """Return an untrained residual network for digits."""
    torch.manual_seed(0)
    network = build("cifar:resnet8", num_classes=10, in_channels=1)
    return load(network, arch="cifar:resnet8", preprocess=parse_preprocess("none"), input_size=(8, 8))


@pytest.fixture(scope="module")
def data(dense: Checkpoint) -> Data:
    """Return the digits."""
    return open_data("digits", preprocess=dense.preprocess)


def planner(dense: Checkpoint, data: Data, counted: str = "macs") -> tuple[Planner, Space]:
    """Return a planner over everything that may be tried."""
    minimise = Minimise.MACS if counted == "macs" else Minimise.PARAMS
    space = space_of(dense, Wanted(minimise=minimise))
    return Planner(dense, data, template=Cut(), space=space, counted=counted, seed=0), space


def test_the_space_is_what_the_network_has(dense: Checkpoint) -> None:
    """A residual network has stages, norms and one removable block; what is fixed is not searched for."""
    space = space_of(dense, Wanted(minimise=Minimise.MACS))
    assert space.structures == (Structure.FILTERS, Structure.BOTH)
    assert space.criteria == ("l1", "l2", "bn-scale", "taylor")
    assert space.profiles == (Profile.EVEN, Profile.EARLY, Profile.LATE, Profile.GLOBAL)
    assert space.stages == ("layer1", "layer2", "layer3")
    fixed = Wanted(minimise=Minimise.MACS, structure=Structure.BLOCKS, criterion="fpgm", is_spread_fixed=True)
    small = space_of(dense, fixed, limit=space.whole // 4)
    assert (small.structures, small.criteria, small.profiles) == ((Structure.BLOCKS,), ("fpgm",), (Profile.EVEN,))
    assert small.most == pytest.approx(0.25, abs=1e-6)


def test_a_network_without_stages_has_no_profiles_of_them() -> None:
    """All convolutions of a plain network lie in one module."""
    network = torch.nn.Sequential(
        torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 8, 3)),
        torch.nn.Flatten(),
        torch.nn.Linear(8 * 16, 10),
    )
    assert stages_of(trace_coupling(network, (1, 8, 8))) == ()


@pytest.mark.parametrize(
    ("profile", "counted"),
    [*((profile, "macs") for profile in Profile), (Profile.EVEN, "params"), (Profile.LATE, "params")],
)
def test_no_more_stays_than_was_allowed(dense: Checkpoint, data: Data, profile: Profile, counted: str) -> None:
    """Counted exactly, and filled up to a tenth of dense."""
    plans, _ = planner(dense, data, counted)
    made = plans.plan(Candidate(structure=Structure.BOTH, criterion="l1", profile=profile, amount=0.4))
    share = getattr(made.after, counted) / getattr(made.before, counted)
    assert 0.3 < share <= 0.4
    assert digest_of_cut(made) == digest_of_cut(
        plans.plan(Candidate(structure=Structure.BOTH, criterion="l1", profile=profile, amount=0.4))
    )


def test_a_criterion_is_asked_once_for_the_same_blocks(
    dense: Checkpoint, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taylor takes passes over images: they serve all sizes, spreads and structures, and the plans stay the same."""
    num_groups: list[int] = []
    taylor = CRITERIA["taylor"]

    def score(groups: Sequence[Group], material: Material) -> tuple[Scores | Skipped, ...]:
        num_groups.append(len(groups))
        return taylor.score(groups, material)

    monkeypatch.setitem(CRITERIA, "taylor", replace(taylor, score=score))
    candidates = [
        Candidate(structure=structure, criterion="taylor", profile=profile, amount=amount)
        for structure in (Structure.FILTERS, Structure.BOTH)
        for profile in Profile
        for amount in (0.6, 0.5)
    ]
    together, _ = planner(dense, data)
    digests = [digest_of_cut(together.plan(each)) for each in candidates]
    assert len(num_groups) == 2  # the whole network, and the one without its removable block
    assert len(set(digests)) == 8  # of each profile and amount: the block does not leave here
    alone = [digest_of_cut(planner(dense, data)[0].plan(each)) for each in candidates[:4]]
    assert digests[:4] == alone


def test_early_stages_lose_more_or_less_as_the_profile_says(dense: Checkpoint, data: Data) -> None:
    """The inner filters of the first and of the last stage, which no shortcut couples."""
    plans, _ = planner(dense, data)
    left = {}
    for profile in (Profile.EARLY, Profile.LATE):
        made = plans.plan(Candidate(structure=Structure.FILTERS, criterion="l1", profile=profile, amount=0.3))
        shares = {group.name: len(group.removed) / group.num_units for group in made.groups}
        left[profile] = shares["layer1.0.conv1"], shares["layer3.0.conv1"]
    assert left[Profile.EARLY][0] > left[Profile.EARLY][1]
    assert left[Profile.LATE][0] < left[Profile.LATE][1]
    ratios = plans.ratios(0.4, Profile.EARLY)
    assert list(ratios.values()) == pytest.approx([0.4 * (1 + STEEPNESS), 0.4, 0.4 * (1 - STEEPNESS)])
    assert list(plans.ratios(0.4, Profile.LATE)) == list(ratios)[::-1]


def test_equal_cuts_have_equal_digests(dense: Checkpoint, data: Data) -> None:
    """Whatever led to them; other cuts have others."""
    plans, _ = planner(dense, data)

    def digest(amount: float) -> str:
        return digest_of_cut(
            plans.plan(Candidate(structure=Structure.FILTERS, criterion="l1", profile=Profile.EVEN, amount=amount))
        )

    assert digest(0.40000) == digest(0.40001)
    assert digest(0.4) != digest(0.2)
