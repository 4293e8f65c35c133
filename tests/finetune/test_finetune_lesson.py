"""What a micro-batch teaches under each method, with soft targets, a teacher and fewer bits."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from finetune_digits import Killed, Killer, TinyNet
from torch import nn

from compressor.errors import FinetuneError, MachineError
from compressor.finetune import Recipe, finetune, loop, precision
from compressor.finetune.collapse import collapse
from compressor.finetune.features import FeaturePairs, likeness, stage_ends
from compressor.finetune.history import Epoch
from compressor.finetune.judge import Score
from compressor.finetune.lesson import Lesson

QUICK = Recipe(epochs=2, lr=0.1, batch_size=50)


def learn(model, recipe, images, labels, *, teacher=None, lesson=None):
    lesson = lesson or Lesson(model, teacher=teacher, recipe=recipe, example=images)
    return lesson.learn(images, labels, indices=torch.arange(len(images)), epoch=0, number=0, heed=1.0)


@pytest.fixture
def some():
    torch.manual_seed(0)
    return torch.rand(12, 1, 8, 8), torch.arange(12) % 10


def test_without_a_threat_the_loss_is_the_plain_one(some):
    """Nothing is added to cross-entropy."""
    images, labels = some
    model = TinyNet(norm=False).train()
    found = learn(model, Recipe(), images, labels)
    assert torch.equal(found.loss, F.cross_entropy(model(images), labels))
    assert found.right == (model(images).argmax(1) == labels).sum()
    assert found.pair is None


def test_mixed_images_are_asked_for_mixed_answers(some):
    """Cross-entropy with the mixture of both labels; the teacher answers the same mixed image."""
    images, labels = some
    model, teacher = TinyNet(norm=False).train(), TinyNet(norm=False).eval()
    recipe = Recipe(mixup=0.5, distill_weight=0.0)
    found = learn(model, recipe, images, labels, teacher=teacher)
    assert found.loss != F.cross_entropy(model(images), labels)
    assert torch.allclose(found.loss, found.pair[1], rtol=1e-6)
    alone = learn(model, replace(recipe, distill_weight=1.0), images, labels, teacher=model.eval())
    assert abs(float(alone.loss.detach())) < 1e-6


def test_trades_adds_the_divergence_between_twins(some):
    """At the image itself there is none; its weight counts; natural answers carry the labels."""
    images, labels = some
    model = TinyNet(norm=False).train()
    recipe = Recipe(adversarial="linf:1/10", adversarial_method="trades", adversarial_steps=3)
    one, two = (learn(model, replace(recipe, trades_weight=weight), images, labels).loss for weight in (1.0, 2.0))
    plain = F.cross_entropy(model(images), labels)
    assert one > plain
    assert torch.allclose(two - plain, 2 * (one - plain), rtol=1e-3)
    tiny = learn(model, replace(recipe, adversarial="linf:1/100000"), images, labels).loss
    assert torch.allclose(tiny, plain, atol=1e-3)


def test_free_training_climbs_by_the_gradient_it_has_anyway(some):
    """Each replay sees the perturbation of the one before, moved by a whole radius and cut off at it."""
    images, labels = some
    model = TinyNet(norm=False).train()
    recipe = Recipe(adversarial="linf:1/10", adversarial_method="free", adversarial_steps=4, natural_share=0.25)
    lesson = Lesson(model, teacher=None, recipe=recipe, example=images)
    assert lesson.num_replays == 4
    seen, losses = [], []
    lesson.begin_step()
    hook = model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    for _ in range(3):
        found = learn(model, recipe, images, labels, lesson=lesson)
        found.loss.backward()
        lesson.carry()
        losses.append(float(found.loss.detach()))
    hook.remove()
    assert losses[2] > losses[0]
    for inputs in seen:
        assert (inputs - images).abs().max() <= 0.1 + 1e-6
        assert torch.equal(inputs[:3], images[:3])
    assert not torch.equal(seen[1], seen[0])
    lesson.begin_step()
    assert torch.equal(_first_input(model, lesson, recipe, images, labels), seen[0])


def _first_input(model, lesson, recipe, images, labels):
    seen = []
    hook = model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    learn(model, recipe, images, labels, lesson=lesson)
    hook.remove()
    return seen[0]


@pytest.mark.parametrize("method", ["pgd", "trades", "fast", "free"])
def test_every_method_makes_robust_and_resumes(method, data, teacher, tmp_path):
    """The history tells robust accuracy, above that of natural training; killed and resumed, the same weights."""
    recipe = Recipe(
        epochs=2, lr=0.2, batch_size=50, augment="none", batchnorm_batches=0,
        adversarial="linf:1/10", adversarial_method=method, adversarial_steps=3,
    )  # fmt: skip
    tuned, history = finetune(teacher, data, recipe)
    images = data.select.read(range(200))
    labels = torch.as_tensor(data.select.labels)

    def under_attack(checkpoint):
        classifier = checkpoint.classifier().eval()
        attacked = images.clone().requires_grad_()
        F.cross_entropy(classifier(attacked), labels).backward()
        moved = (images + 0.1 * attacked.grad.sign()).clamp(0, 1)
        return float((classifier(moved).argmax(1) == labels).float().mean())

    assert under_attack(tuned) > under_attack(teacher) + 0.1
    assert history.recipe.adversarial_method == method
    assert method in tuned.history[-1]
    state = tmp_path / "state"
    with pytest.raises(Killed):
        finetune(teacher, data, recipe, state=state, progress=Killer(17))
    assert finetune(teacher, data, recipe, state=state)[0].sha256 == tuned.sha256


def row(number, robust):
    return Epoch(
        number=number, loss=1.0, train_accuracy=0.5, select_accuracy=0.5, select_robust_accuracy=robust,
        teacher_share=None, learning_rate=0.1, seconds=1.0, images_per_second=1.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("robust", "epoch"),
    [([0.3, 0.4, 0.1], 3), ([0.3, 0.14], 2), ([0.3, 0.2, 0.16], None), ([0.15, 0.06], None), ([None, None], None)],
)
def test_a_collapse_is_told_from_noise(robust, epoch):
    """Less than half of the best so far, and by a tenth at least."""
    found = collapse([row(number, value) for number, value in enumerate(robust, start=1)])
    assert found is None if epoch is None else f"in epoch {epoch}:" in found


def test_a_collapse_is_said_and_the_epoch_before_it_kept(data, fresh, monkeypatch):
    """Scores are dictated here; the history says what happened, and the listener hears it once."""
    scores = iter([0.4, 0.05, 0.05])
    monkeypatch.setattr(loop, "judge", lambda *_, **__: Score(accuracy=0.9, robust_accuracy=next(scores)))
    listener = Killer()
    recipe = replace(QUICK, epochs=3, adversarial="linf:1/10", adversarial_method="fast", batchnorm_batches=0)
    _, history = finetune(fresh, data, recipe, progress=listener)
    assert history.best_epoch == 1
    assert any("catastrophic overfitting in epoch 2" in note and "epoch 1 was kept" in note for note in history.notes)
    assert sum("catastrophic" in heard for heard in listener.heard) == 1


def test_likeness_does_not_depend_on_width_or_scale():
    """Twice as many channels with the same content, or twice as large values, look alike just the same."""
    maps = torch.randn(5, 4, 3, 3)
    found = likeness(maps)
    assert torch.allclose(found, likeness(torch.cat([maps, maps], dim=1)), atol=1e-6)
    assert torch.allclose(found, likeness(2 * maps), atol=1e-6)
    assert torch.allclose(found.norm(dim=1), torch.ones(5))


def test_stages_end_where_the_size_changes():
    """The last module with maps of each size; a flat answer is none."""
    example = torch.rand(2, 1, 8, 8)
    assert stage_ends(TinyNet(), example) == ("norm1", "norm2")
    assert stage_ends(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), example) == ()


def test_feature_maps_are_compared_across_widths(some):
    """None between a network and itself; above zero between others; the weight counts."""
    images, labels = some
    student, teacher = TinyNet(4), TinyNet(16).eval()
    pairs = FeaturePairs(teacher, teacher, example=images)
    teacher(images)
    assert pairs.difference(12) < 1e-8
    recipe = Recipe(distill_weight=0.0)
    plain = learn(student.train(), recipe, images, labels, teacher=teacher).loss
    with_maps = learn(student.train(), replace(recipe, feature_weight=100.0), images, labels, teacher=teacher).loss
    assert with_maps > plain + 1e-3


def test_features_need_maps(some):
    """A network without any is refused, and told what to leave out."""
    flat = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with pytest.raises(FinetuneError, match="no feature maps") as caught:
        Lesson(flat, teacher=flat, recipe=Recipe(feature_weight=1.0), example=some[0])
    assert "feature_weight" in caught.value.advice


@pytest.mark.parametrize("bits", ["bf16", "fp16"])
def test_training_in_fewer_bits_learns_too(bits, data, fresh):
    """The weights stay fp32 and are judged so; the record says what was used."""
    tuned, history = finetune(fresh, data, replace(QUICK, precision=bits))
    assert history.recipe.precision == bits
    assert history.select_accuracy > 0.6
    assert {tensor.dtype for tensor in tuned.model.parameters()} == {torch.float32}


@pytest.mark.parametrize(("tiles", "bits"), [(True, "bf16"), (False, "fp32")])
def test_a_cpu_takes_fewer_bits_where_it_multiplies_in_them(tiles, bits, data, fresh, monkeypatch):
    """Without units for bf16 it would be slower than fp32; the record says what `auto` came to."""
    monkeypatch.setattr(precision, "has_tiles", lambda: tiles)
    assert finetune(fresh, data, replace(QUICK, epochs=0))[1].recipe.precision == bits


def test_compiling_needs_a_compiler(monkeypatch):
    """The message says which; nothing has been trained by then."""
    monkeypatch.setattr(precision.shutil, "which", lambda _: None)
    with pytest.raises(MachineError, match="C\\+\\+ compiler") as caught:
        precision.compiled(TinyNet(), torch.device("cpu"))
    assert "--no-compile" in caught.value.advice


@pytest.mark.slow
@pytest.mark.parametrize("adversarial", [None, "linf:1/10"])
def test_compiled_training_learns_too(adversarial, data, fresh):
    """The same recipe compiled ends near the plain one, and says that it was compiled."""
    recipe = replace(QUICK, epochs=1, adversarial=adversarial, adversarial_steps=1, batchnorm_batches=0)
    plain, _ = finetune(fresh, data, recipe)
    built, history = finetune(fresh, data, replace(recipe, compile=True))
    assert history.recipe.compile
    for name, tensor in plain.model.state_dict().items():
        assert torch.allclose(tensor.float(), built.model.state_dict()[name].float(), atol=0.05), name


@pytest.mark.gpu
@pytest.mark.parametrize("values", [{}, {"augment": "augmix", "mixup": 0.2}, {"adversarial": "linf:1/10"}])
def test_a_gpu_trains_in_fewer_bits_by_itself(values, data, fresh):
    """What `auto` means there is recorded, and the result is near that of the CPU."""
    recipe = replace(QUICK, **values)
    _, here = finetune(fresh, data, recipe)
    _, there = finetune(fresh, data, recipe, device="cuda:0")
    assert there.recipe.precision in {"bf16", "fp16"}
    assert there.select_accuracy > here.select_accuracy - 0.1
