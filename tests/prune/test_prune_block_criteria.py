"""How blocks are ranked: every measure by hand, the shortcut past the whole run, and the order."""

from collections import Counter
from typing import ClassVar

import block_nets
import numpy as np
import prune_nets as nets
import pytest
import torch
from block_nets import SHAPE, random_images
from sklearn.cross_decomposition import PLSRegression
from torch import Tensor, nn

from compressor.data.preprocess import Normalised, parse_preprocess
from compressor.errors import PruneError
from compressor.load.cifar_resnet import CifarResNet
from compressor.prune import CRITERIA, plan, slim
from compressor.prune.block_criteria import BLOCK_CRITERIA, Probe
from compressor.prune.block_criteria.consensus import rank_sum
from compressor.prune.block_criteria.pls import importance_in_projection
from compressor.prune.block_criteria.similarity import MEASURES, gaussian, linear_cka, rbf_cka, rotation, wasserstein
from compressor.prune.block_order import order_blocks
from compressor.prune.blocks import Block, same_weights, search_blocks
from compressor.prune.criteria import Material
from compressor.types import Structure

NO_LABELS = np.zeros(4, dtype=np.int64)
ONE = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])
OTHER = torch.tensor([[1.0], [1.0], [-1.0], [-1.0]])


def material_of(model: nn.Module, shape: tuple[int, int, int] = SHAPE, num: int = 40, seed: int = 0) -> Material:
    """Return a model with noise as its training images."""
    nets.shake_norms(model)
    classifier = Normalised(model, parse_preprocess("cifar10"))
    return Material(model=model, classifier=classifier, train=random_images(num, shape), seed=seed)


def features_without(material: Material, names: tuple[str, ...], head: str | None) -> Tensor:
    """Return what enters the head (None: the logits) in whole runs of a copy without some modules."""
    model = same_weights(material.classifier, [f"model.{name}" for name in names]).eval()
    entered = []
    if head is None:
        model.register_forward_hook(lambda _, __, logits: entered.append(logits))
    else:
        model.get_submodule(f"model.{head}").register_forward_pre_hook(lambda _, args: entered.append(args[0]))
    for batch in torch.split(material.train.read(range(len(material.train))), 16):
        model(batch)
    return torch.cat(entered).detach()


def test_linear_alignment_in_closed_form():
    """1 for equal, rotated, scaled and shifted features; 0 for uncorrelated ones; a number worked out by hand."""
    features = torch.rand(20, 4)
    rotated = torch.linalg.qr(torch.rand(4, 4))[0]
    assert linear_cka(features, features @ rotated * 3 + 5) == pytest.approx(1.0)
    assert linear_cka(ONE, OTHER) == pytest.approx(0.0)
    assert linear_cka(ONE, ONE + OTHER) == pytest.approx(0.5)
    assert linear_cka(ONE, torch.ones(4, 2)) == 0.0


def test_gaussian_alignment_in_closed_form():
    """1 for scaled and shifted features; for two groups of points, the squared cosine between their signs."""
    assert rbf_cka(ONE, ONE * 5 + 2) == pytest.approx(1.0)
    assert rbf_cka(ONE, OTHER) == pytest.approx(0.0)
    assert rbf_cka(ONE, torch.ones(4, 2)) == 0.0
    # Of two equal groups, the centred kernel is a multiple of the outer product of their signs.
    halves = torch.tensor([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]])
    mixed = torch.tensor([[0.0], [0.0], [1.0], [0.0], [1.0], [1.0]])
    assert rbf_cka(halves, mixed) == pytest.approx((2 / 6) ** 2)


def test_rotation_in_closed_form():
    """0 after any rotation and scaling, also with more features than images; 1 for uncorrelated features."""
    for num_features in (4, 30):
        features = torch.rand(20, num_features, dtype=torch.float64)
        rotated = torch.linalg.qr(torch.rand(num_features, num_features, dtype=torch.float64))[0]
        assert rotation(features, features @ rotated * 3 + 5, NO_LABELS) == pytest.approx(0.0, abs=1e-9)
    assert rotation(ONE, OTHER, NO_LABELS) == pytest.approx(1.0)
    assert rotation(ONE, ONE + OTHER, NO_LABELS) == pytest.approx(1 - 0.5**0.5)
    assert rotation(ONE, torch.ones(4, 2), NO_LABELS) == 1.0


def test_gaussians_per_class_in_closed_form():
    """A shift counts as far as it goes; a stretch by two counts the spread once; classes are squared and averaged."""
    features, labels = torch.tensor([[0.0, 0.0], [2.0, 0.0], [5.0, 1.0], [5.0, 1.0]]), np.array([0, 0, 1, 1])
    assert gaussian(features, features, labels) == pytest.approx(0.0)
    assert gaussian(features, features + torch.tensor([3.0, 4.0]), labels) == pytest.approx(5.0)
    stretched = features.clone()
    stretched[:2] = torch.tensor([[-1.0, 0.0], [3.0, 0.0]])
    assert gaussian(features, stretched, labels) == pytest.approx(0.5**0.5)


def test_the_distance_of_distributions_in_closed_form():
    """The order of numbers is of no account, their values are."""
    assert wasserstein(ONE, OTHER, NO_LABELS) == 0.0
    assert wasserstein(torch.tensor([[0.0, 1.0]]), torch.tensor([[2.0, 1.0]]), NO_LABELS) == 1.0


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_is_zero_for_equal_features_only(measure):
    """Equal features are alike; noise of the same size is not."""
    features, labels = torch.rand(24, 6), np.arange(24) % 3
    assert measure(features, features, labels) == pytest.approx(0.0, abs=1e-7)
    assert measure(features, torch.rand(24, 6) ** 2, labels) > 1e-3


def test_ranks_are_summed_and_ties_shared():
    """Three measures of four blocks: equal numbers share the mean of their ranks."""
    table = np.array([[0.1, 0.2, 0.3, 0.4], [5.0, 1.0, 1.0, 1.0], [2.0, 2.0, 0.0, 9.0]])
    assert rank_sum(table).tolist() == [1 + 4 + 2.5, 2 + 2 + 2.5, 3 + 2 + 1, 4 + 2 + 4]


def test_importance_in_projection_by_hand():
    """Two equal features that are the label and one uncorrelated: sqrt(3 / 2) each, and nothing; constants: nothing."""
    label = np.array([1.0, 1.0, -1.0, -1.0])
    other = np.array([1.0, -1.0, 1.0, -1.0])
    found = importance_in_projection(np.stack([label, 7 * label + 1, other], axis=1), label[:, None], num_components=3)
    assert found == pytest.approx([1.5**0.5, 1.5**0.5, 0.0])
    found = importance_in_projection(np.stack([label, np.full(4, 0.1)], axis=1), label[:, None], num_components=1)
    assert found == pytest.approx([2**0.5, 0.0])
    assert not importance_in_projection(np.ones((4, 2)), label[:, None], num_components=2).any()


def test_importance_in_projection_against_scikit_learn():
    """The projection is that of another implementation, from which the importance is worked out as published."""
    generator = np.random.default_rng(0)
    features, labels = generator.normal(size=(60, 9)), generator.integers(3, size=60)
    features[:, 2] += labels
    targets = np.eye(3)[labels]
    fitted = PLSRegression(n_components=4, tol=1e-12, max_iter=5000).fit(features, targets)
    share = (fitted.x_scores_**2).sum(axis=0) * (fitted.y_loadings_**2).sum(axis=0)
    expected = np.sqrt(9 * (fitted.x_weights_**2 @ share) / share.sum())
    assert importance_in_projection(features, targets, num_components=4) == pytest.approx(expected, rel=1e-5)


NETWORKS = {
    "residual": lambda: CifarResNet(14, width=4),
    "plain, with norms and activations": block_nets.Plain,
    "attributes, in train mode": lambda: block_nets.Residuals().train(),
    "writes in place": block_nets.InPlace,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_features_without_a_block_are_those_of_a_whole_run_bit_for_bit(name):
    """Computing only what comes after the block changes no bit, also when another block is gone."""
    model = NETWORKS[name]()
    material = material_of(model)
    blocks = search_blocks(model, SHAPE).found
    head = None if isinstance(model, block_nets.Plain) else "linear"
    probe = Probe(material, blocks, num_images=40)
    for gone in ((), blocks[-1:]):
        left = [block for block in blocks if block not in gone]
        modules = tuple(name for block in gone for name in block.modules)
        for block, found in zip(left, probe.without(gone, left), strict=True):
            expected = features_without(material, (*modules, *block.modules), head)
            assert torch.equal(found, expected)


class Counted(nn.Conv2d):
    """A convolution that counts how often it runs, in all copies together."""

    runs: ClassVar[Counter[str]] = Counter()

    def __init__(self, label: str, *sizes: int) -> None:
        super().__init__(*sizes)
        self.label = label

    def forward(self, images: Tensor) -> Tensor:
        """Convolve."""
        Counted.runs[self.label] += 1
        return super().forward(images)


def test_what_stands_before_a_block_runs_once():
    """The stem runs once per batch, not once per block; the last block once more for each block before it."""
    model = block_nets.Residuals(3)
    model.stem, model.block2.conv = Counted("stem", 3, 8, 1), Counted("last", 8, 8, 1)
    material = material_of(model, num=16)
    blocks = search_blocks(model, SHAPE).found
    probe = Probe(material, blocks, num_images=16)
    assert probe.full.shape == (16, 8)
    Counted.runs.clear()
    probe.without((), blocks)
    assert Counted.runs == {"stem": 1, "last": 1 + 2}


def test_hooks_of_the_model_run_as_always():
    """A hook that changes what a module answers is heeded once, and leaves with the block that it stands on."""
    model = block_nets.Residuals(3)
    for name in ("stem", "block0", "block1", "block2"):
        model.get_submodule(name).register_forward_hook(lambda _, __, output: output * 1.5)
    material = material_of(model)
    blocks = search_blocks(model, SHAPE).found
    for block, found in zip(blocks, Probe(material, blocks, num_images=40).without((), blocks), strict=True):
        assert torch.equal(found, features_without(material, block.modules, "linear"))


@pytest.mark.parametrize("name", ["cka", "consensus", "pls"])
def test_a_block_that_says_nothing_leaves_first(name):
    """A block whose last normalisation is zero changes nothing, and the slim network answers as the dense one."""
    checkpoint = nets.in_memory(CifarResNet(14, width=4), SHAPE, preprocess=parse_preprocess("cifar10"))
    checkpoint.model.layer3[1].bn2.weight.data.zero_()
    checkpoint.model.layer3[1].bn2.bias.data.zero_()
    made = plan(checkpoint, ratio=0.3, structure=Structure.BLOCKS, block_criterion=name, train=random_images())
    assert made.removed_blocks == ("layer3.1",)
    images = torch.rand(2, *SHAPE)
    assert torch.equal(slim(checkpoint, made).model(images), checkpoint.model(images))


def test_cka_is_taken_where_there_are_images():
    """Without a wish: cka with training images, else l1."""
    checkpoint = nets.in_memory(CifarResNet(8, width=4), SHAPE, preprocess=parse_preprocess("cifar10"))
    assert plan(checkpoint, ratio=0.9, structure=Structure.BLOCKS, train=random_images()).block_criterion == "cka"
    assert plan(checkpoint, ratio=0.9, structure=Structure.BLOCKS).block_criterion == "l1"


def test_the_order_is_that_of_trying_every_block_anew():
    """cka: the block whose absence changes the features least, found by whole runs, one after another."""
    material = material_of(CifarResNet(20, width=4))
    blocks = search_blocks(material.model, SHAPE).found
    full = features_without(material, (), "linear")
    expected: list[str] = []
    while len(expected) < 4:
        likeness = {
            block.name: linear_cka(full, features_without(material, (*expected, block.name), "linear"))
            for block in blocks
            if block.name not in expected
        }
        expected.append(max(likeness, key=likeness.__getitem__))
    found = order_blocks(blocks, material, criterion="cka", num=4)
    assert [block.name for block in found] == expected


@pytest.mark.parametrize("name", ["cka", "consensus", "pls"])
def test_ranking_leaves_the_model_as_it_was(name):
    """Weights, mode and functions: nothing stays behind, and dropout has no say."""
    model = block_nets.Residuals().train()
    material = material_of(model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    blocks = search_blocks(model, SHAPE).found
    found = order_blocks(blocks, material, criterion=name, num=2)
    assert found == order_blocks(blocks, material, criterion=name, num=2)
    assert model.training
    assert all("forward" not in vars(module) and not module._forward_hooks for module in model.modules())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_random_order_depends_on_the_seed_only():
    """The same seed, the same order, whatever the weights; another seed, another order."""
    blocks = [Block(name=str(number), modules=(str(number),)) for number in range(20)]

    def order(seed: int) -> list[str]:
        material = Material(model=nn.Identity(), seed=seed)
        return [block.name for block in order_blocks(blocks, material, criterion="random", num=20)]

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert sorted(order(1)) == sorted(block.name for block in blocks)


class Windows(nn.Module):
    """x + A x over the channels, which stand in front or behind."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis
        self.layer = nn.Linear(3, 3)

    def forward(self, features: Tensor) -> Tensor:
        """Keep the layout."""
        return features + self.layer(features.movedim(self.axis, -1)).movedim(-1, self.axis)


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_contributions_are_means_over_positions_whatever_the_layout(axis):
    """Channels are the axis that the block's matrices read."""
    model = nn.Sequential(Windows(axis), nn.Flatten(), nn.Linear(3 * 32 * 32, 10))
    shape = {1: (3, 32, 32), 2: (32, 3, 32), 3: (32, 32, 3)}[axis]
    classifier = Normalised(model, parse_preprocess("none"))
    material = Material(model=model, classifier=classifier, train=random_images(5, shape))
    blocks = [Block(name="0", modules=("0",))]
    (found,) = Probe(material, blocks, num_images=5).contributions((), blocks)
    images = material.train.read(range(5)).movedim(axis, -1)
    expected = model[0].layer(images).mean((1, 2))
    assert torch.allclose(torch.from_numpy(found).float(), expected, atol=1e-5)


def test_contributions_of_a_convolution_include_its_norm_and_activation():
    """What a plain layer adds is what stands behind it less what stands before it."""
    model = block_nets.Plain().eval()
    material = material_of(model, num=5)
    blocks = search_blocks(model, SHAPE).found
    first, _ = Probe(material, blocks, num_images=5).contributions((), blocks)
    images = (material.train.read(range(5)) - material.classifier.mean) / material.classifier.std
    before = model.act0(model.norm0(model.conv0(images)))
    after = model.act1(model.norm1(model.conv1(before)))
    assert torch.allclose(torch.from_numpy(first).float(), (after - before).mean((2, 3)), atol=1e-5)


@pytest.mark.parametrize("name", [name for name, criterion in BLOCK_CRITERIA.items() if criterion.needs_images])
def test_criteria_that_need_images_say_so(name):
    """Without training images there is a clear error that says what to do."""
    with pytest.raises(PruneError, match=f"block criterion {name} needs training images"):
        order_blocks([], Material(model=CifarResNet(8)), criterion=name, num=1)


def test_an_unknown_criterion_is_refused():
    """The error lists those there are."""
    with pytest.raises(PruneError, match="'l2' is not known") as caught:
        order_blocks([], Material(model=CifarResNet(8)), criterion="l2", num=1)
    assert "cka, consensus, l1, pls, random" in caught.value.advice


def test_progress_is_told_of_every_run():
    """As many runs are announced as happen: every block that is left, for every batch, for every removal."""

    class Heard:
        def __init__(self) -> None:
            self.total, self.done = 0, 0

        def stage(self, name: str, *, total: int | None = None, unit: str = ""):
            self.total = total
            return self

        def __enter__(self):
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def advance(self, amount: int = 1, note: str = "") -> None:
            self.done += amount

    material = material_of(CifarResNet(14, width=4), num=40)
    blocks = search_blocks(material.model, SHAPE).found
    for name, expected in (("cka", 3 * (4 + 3)), ("pls", 3 * 2)):
        heard = Heard()
        order_blocks(blocks, material, criterion=name, num=2, progress=heard)
        assert (heard.done, heard.total) == (expected, expected)


def test_every_block_criterion_names_its_source():
    """The table is the one list, and its names are those of the filter criteria where the idea is the same."""
    assert sorted(BLOCK_CRITERIA) == ["cka", "consensus", "l1", "pls", "random"]
    assert all(criterion.source.startswith(("arXiv ", "doi ")) for criterion in BLOCK_CRITERIA.values())
    for name in ("l1", "random"):
        assert BLOCK_CRITERIA[name].source == CRITERIA[name].source
