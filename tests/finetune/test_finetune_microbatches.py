"""Micro-batches of one fixed size, and what is fixed with them: statistics, draws, and memory that runs out."""

from dataclasses import replace

import pytest
import torch
from finetune_digits import Killed, Killer, TinyNet, checkpoint_of, only_file
from torch import nn

from compressor.errors import MachineError
from compressor.finetune import Recipe, finetune, gradient
from compressor.finetune.batchnorm import Statistics
from compressor.finetune.microbatches import cut, mean_batch, num_steps, with_fixed_sizes
from compressor.finetune.randomness import Noise
from compressor.load.checkpoint import Checkpoint


@pytest.mark.parametrize(
    ("batch", "micro", "num_images", "expected"),
    [
        (128, 64, 1000, (128, 64)),
        (128, 128, 1000, (128, 128)),
        (100, 64, 1000, (100, 50)),
        (101, 64, 1000, (102, 51)),
        (50, 64, 1000, (50, 50)),
        (128, 64, 100, (128, 64)),
        (128, 64, 64, (64, 64)),
        (128, 64, 10, (10, 10)),
        (128, 64, 2, (2, 2)),
        (512, 64, 150, (192, 64)),
    ],
)
def test_sizes_follow_from_the_recipe_and_never_from_what_is_left_over(batch, micro, num_images, expected):
    """The batch is whole micro-batches, of all images at most; the result changes no more."""
    recipe = with_fixed_sizes(Recipe(batch_size=batch, micro_batch=micro), num_images=num_images)
    assert (recipe.batch_size, recipe.micro_batch) == expected
    assert with_fixed_sizes(recipe, num_images=num_images) == recipe


@pytest.mark.parametrize(
    ("num_images", "expected"),
    [(12, [2, 2]), (13, [2, 2, 1]), (15, [2, 2, 1]), (3, [1]), (2, [1]), (19, [2, 2, 2, 1]), (5, [2])],
)
def test_every_image_counts_once_and_the_first_fill_the_last_micro_batch(num_images, expected):
    """No size but three; what is filled up comes from the beginning of the same order."""
    recipe = with_fixed_sizes(Recipe(batch_size=6, micro_batch=3), num_images=num_images)
    order = torch.arange(num_images).flip(0)
    steps = cut(order, recipe)
    assert [len(step) for step in steps] == expected
    assert {step.shape[1] for step in steps} == {recipe.micro_batch}
    flat = torch.cat(steps).flatten()
    assert torch.equal(flat[:num_images], order)
    assert torch.equal(flat[num_images:], order[: len(flat) - num_images])
    assert len(flat) - num_images < recipe.micro_batch
    assert num_steps(recipe, num_images=num_images) == len(steps)
    assert mean_batch(recipe, num_images=num_images) == len(flat) / len(steps)


def test_steps_differ_by_at_most_one_micro_batch():
    """Ten micro-batches by four in a step: no step of two is left over."""
    recipe = with_fixed_sizes(Recipe(batch_size=40, micro_batch=10), num_images=100)
    assert [len(step) for step in cut(torch.arange(100), recipe)] == [4, 3, 3]


@pytest.mark.parametrize("num_train", [2, 7, 65, 129])
def test_sets_of_any_size_can_be_trained_on(num_train, data, fresh):
    """Fewer images than a micro-batch, one more than it, and one more than a batch."""
    few = replace(data, train=data.train.take(range(num_train)))
    _, history = finetune(fresh, few, Recipe(epochs=1))
    assert history.recipe.micro_batch == min(128, num_train)
    assert torch.isfinite(torch.tensor(history.epochs[0].loss))


@pytest.mark.parametrize("momentum", [0.1, 0.5, None])
def test_folding_is_what_torch_does_pass_by_pass(momentum):
    """Three passes in training mode leave the same statistics as three recorded and folded ones."""
    torch.manual_seed(0)
    plain, recorded = (nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.BatchNorm2d(3)) for _ in range(2))
    for net in (plain, recorded):
        net[2].momentum = momentum
    recorded.load_state_dict(plain.state_dict())
    statistics = Statistics(recorded)
    batches = torch.randn(6, 4, 1, 8, 8) * 3 + 1
    for net in (plain, recorded):
        net(batches[5])
    for half in (batches[:2], batches[2:5]):
        with statistics.set_aside():
            rows = []
            for batch in half:
                statistics.put_back()
                recorded(batch)
                rows.append(statistics.measured())
            statistics.fold(rows)
    for batch in batches[:5]:
        plain(batch)
    for (name, expected), found in zip(plain.state_dict().items(), recorded.state_dict().values(), strict=True):
        assert torch.allclose(found, expected, rtol=1e-5), name
    assert int(recorded[1].num_batches_tracked) == 6
    assert recorded[2].momentum == momentum


def test_an_attempt_that_fails_leaves_no_trace_in_the_statistics():
    """They are in their place again, and so are momentum and count."""
    net = nn.Sequential(nn.BatchNorm2d(3))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}

    def attempt() -> None:
        with Statistics(net).set_aside():
            net(torch.randn(4, 3, 2, 2) + 5)
            raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        attempt()
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert net[0].momentum == 0.1


def test_noise_belongs_to_the_image():
    """Drawn in other company, in another place or alone, it is the same; another image or epoch has another."""
    together = Noise.of("perturb", 0, 3, indices=torch.arange(50)).uniform(3, 4, 5)
    apart = Noise.of("perturb", 0, 3, indices=torch.tensor([49, 7])).uniform(3, 4, 5)
    assert torch.equal(apart, together[[49, 7]])
    assert len({tuple(row) for row in together.flatten(1).tolist()}) == 50
    assert not torch.equal(Noise.of("perturb", 0, 4, indices=torch.arange(50)).uniform(3, 4, 5), together)
    assert torch.equal(Noise.of("perturb", 0, 3, indices=torch.arange(50))[7:9].uniform(3, 4, 5), together[7:9])


def test_noise_is_as_it_is_called():
    """Uniform numbers in [0, 1) and normal ones, by their first moments, and no two images alike."""
    noise = Noise.of("moments", indices=torch.arange(100))
    uniform, normal = noise.uniform(1000), noise.normal(1000)
    assert 0 <= uniform.min() < 1e-3
    assert 0.999 < uniform.max() < 1
    assert uniform.mean() == pytest.approx(0.5, abs=0.005)
    assert uniform.var() == pytest.approx(1 / 12, abs=0.002)
    assert normal.mean() == pytest.approx(0, abs=0.015)
    assert normal.std() == pytest.approx(1, abs=0.015)
    assert (normal.abs() > 1.96).float().mean() == pytest.approx(0.05, abs=0.005)
    between = torch.corrcoef(uniform).fill_diagonal_(0).abs().max()
    assert between < 0.2  # of 4,950 pairs of 1,000 independent numbers, 4.4 standard deviations are 0.14


class Hungry(TinyNet):
    """Runs out of memory for more than `most` images at a time, while it trains."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, images):
        """(N, 1, 8, 8) -> (N, 10)."""
        if self.training and torch.is_grad_enabled() and len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return super().forward(images)


def hungry(most: int, fresh: Checkpoint) -> Checkpoint:
    """Return the fresh net with little memory."""
    model = Hungry(most)
    model.load_state_dict(fresh.model.state_dict())
    return checkpoint_of(model)


RECIPE = Recipe(epochs=2, lr=0.1, batch_size=100, micro_batch=100, batchnorm_batches=0)


def test_out_of_memory_halves_the_micro_batch_and_keeps_the_batch(data, fresh):
    """From the first step on it is as if the recipe had said a quarter; said once a halving, and recorded."""
    listener = Killer()
    found, history = finetune(hungry(30, fresh), data, RECIPE, progress=listener)
    quarter, expected = finetune(fresh, data, replace(RECIPE, micro_batch=25))
    assert found.sha256 == quarter.sha256
    assert history.recipe == replace(expected.recipe, micro_batch=100)
    assert [epoch.micro_batch for epoch in history.epochs] == [25, 25]
    assert [epoch.micro_batch for epoch in expected.epochs] == [None, None]
    assert [epoch.loss for epoch in history.epochs] == [epoch.loss for epoch in expected.epochs]
    said = [heard for heard in listener.heard if "out of memory in epoch 1, step 1" in heard]
    assert ["micro-batches of 50 images" in said[0], "micro-batches of 25 images" in said[1]] == [True, True]
    assert history.notes == tuple(said)


def test_a_resumed_training_remembers_its_smaller_micro_batches(data, fresh, tmp_path):
    """Otherwise its weights would depend on where it was taken up."""
    start, state = hungry(60, fresh), tmp_path / "state"
    straight, _ = finetune(start, data, RECIPE)
    with pytest.raises(Killed):
        finetune(start, data, RECIPE, state=state, progress=Killer(8))
    assert torch.load(only_file(state), weights_only=True)["num_parts"] == 2
    listener = Killer()
    resumed, history = finetune(start, data, RECIPE, state=state, progress=listener)
    assert resumed.sha256 == straight.sha256
    assert not any("out of memory" in heard for heard in listener.heard)
    assert len(history.notes) == 1


def test_memory_that_runs_out_in_the_middle_of_a_step_changes_nothing_that_was_done(data, fresh, monkeypatch):
    """The step is taken anew from where it began: no gradient, count or statistic of the attempt is left."""
    passes = []
    original = gradient.Gradients._pass

    def failing(self, *arguments):
        passes.append(1)
        if len(passes) == 8:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return original(self, *arguments)

    recipe = replace(RECIPE, batch_size=100, micro_batch=50, epochs=1, lr=1e-30, weight_decay=0.0)
    expected, straight = finetune(fresh, data, replace(recipe, lr=1e-30))
    monkeypatch.setattr(gradient.Gradients, "_pass", failing)
    found, history = finetune(fresh, data, recipe)
    assert "epoch 1, step 4" in history.notes[0]
    # Nothing moves at such a learning rate, so losses differ only by what BatchNorm normalises over.
    assert history.epochs[0].loss == pytest.approx(straight.epochs[0].loss, abs=0.02)
    assert history.epochs[0].train_accuracy == pytest.approx(straight.epochs[0].train_accuracy, abs=0.05)
    assert int(found.model.norm1.num_batches_tracked) == 3 * 2 + 3 * 4
    assert int(expected.model.norm1.num_batches_tracked) == 6 * 2


def test_too_little_memory_for_two_images_is_the_machines_fault(data, fresh):
    """BatchNorm needs two; the advice is not to try again."""
    with pytest.raises(MachineError, match="too little memory to fine-tune with 3 images") as caught:
        finetune(hungry(1, fresh), data, replace(RECIPE, batch_size=96, micro_batch=96))
    assert "--device cpu" in caught.value.advice


def test_the_select_images_are_judged_in_evaluation_mode_under_attack_too(data, fresh):
    """Judging leaves the statistics alone, though the inner attack leaves training mode behind."""
    from compressor.finetune.judge import judge

    classifier = fresh.classifier()
    before = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    recipe = Recipe(adversarial="linf:1/10", adversarial_steps=1)
    first = judge(classifier, data.select, recipe=recipe, device=torch.device("cpu"))
    assert all(torch.equal(before[name], tensor) for name, tensor in classifier.state_dict().items())
    assert not classifier.training
    again = judge(classifier, data.select, recipe=replace(recipe, micro_batch=7), device=torch.device("cpu"))
    assert again == first
