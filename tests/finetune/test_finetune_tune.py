"""What fine-tuning promises: it learns, keeps the best epoch, leaves its input alone and never sees a test image."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from finetune_digits import Killer, TinyNet, checkpoint_of, forbidden, images_of

from compressor.data.images import Data
from compressor.errors import FinetuneError, LoadError
from compressor.evaluate import evaluate
from compressor.finetune import Diverged, History, Recipe, begin, finetune, loop, objective, tally
from compressor.finetune.judge import Score
from compressor.load.checkpoint import Checkpoint, sha256_of_weights
from compressor.records import dump, parse

QUICK = Recipe(epochs=3, lr=0.1, batch_size=50)


def fgsm_accuracy(checkpoint: Checkpoint, data: Data, epsilon: float) -> float:
    """Return the share of select images right after one signed step (arXiv 1412.6572)."""
    classifier = checkpoint.classifier().eval()
    images, labels = data.select.read(range(len(data.select))), torch.as_tensor(data.select.labels)
    images.requires_grad_()
    torch.nn.functional.cross_entropy(classifier(images), labels).backward()
    attacked = (images + epsilon * images.grad.sign()).clamp(0, 1)
    return float((classifier(attacked).argmax(1) == labels).float().mean())


def test_it_learns_and_says_how(data, fresh):
    """From chance to most digits right; the history and the checkpoint tell the same story."""
    tuned, history = finetune(fresh, data, QUICK)
    assert history.select_accuracy_before < 0.3
    assert history.select_accuracy > 0.85
    assert [epoch.number for epoch in history.epochs] == [1, 2, 3]
    assert history.epochs[-1].loss < history.epochs[0].loss
    assert history.select_accuracy == max(epoch.select_accuracy for epoch in history.epochs)
    assert evaluate(tuned.classifier(), data.select).accuracy == history.select_accuracy
    assert (history.num_train, history.num_select) == (600, 200)
    assert not tuned.model.training
    assert tuned.parents == (fresh.sha256,)
    assert tuned.sha256 == sha256_of_weights(tuned.model.state_dict()) != fresh.sha256
    assert "fine-tuned 3 epochs on 600 images" in tuned.history[-1]
    assert all(epoch.images_per_second > 0 for epoch in history.epochs)


def test_the_input_model_is_untouched(data, fresh):
    """Weights, statistics, gradients and mode stay as they were."""
    before = {name: tensor.clone() for name, tensor in fresh.model.state_dict().items()}
    finetune(fresh, data, replace(QUICK, epochs=1), teacher=fresh)
    assert all(torch.equal(before[name], tensor) for name, tensor in fresh.model.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in fresh.model.parameters())
    assert not any(module.training for module in fresh.model.modules())


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(data, fresh):
    """The global random state plays no part."""
    recipe = replace(QUICK, epochs=1)
    first, _ = finetune(fresh, data, recipe)
    torch.manual_seed(99)
    second, _ = finetune(fresh, data, recipe)
    third, _ = finetune(fresh, data, replace(recipe, seed=1))
    assert first.sha256 == second.sha256 != third.sha256


def test_the_history_survives_its_file(data, fresh, teacher):
    """Every value, including those of a teacher and an attack."""
    recipe = replace(QUICK, epochs=1, adversarial="l2:1/4", adversarial_steps=1)
    _, history = finetune(fresh, data, recipe, teacher=teacher)
    assert parse(dump(history), History, source="history.json") == history
    assert history.teacher_sha256 == teacher.sha256
    assert history.recipe.augment == "crop"
    assert history.epochs[0].select_robust_accuracy is not None


def test_the_best_epoch_is_kept_even_if_a_later_one_is_worse(data, fresh, monkeypatch):
    """Scores are dictated here: the second of four epochs wins."""
    scores = iter([0.1, 0.2, 0.5, 0.9, 0.3, 0.8])
    seen = []

    def dictated(classifier, *_, **__):
        seen.append({name: tensor.clone() for name, tensor in classifier.model.state_dict().items()})
        return Score(accuracy=next(scores), robust_accuracy=None)

    monkeypatch.setattr(loop, "judge", dictated)
    monkeypatch.setattr(begin, "judge", dictated)
    tuned, history = finetune(fresh, data, replace(QUICK, epochs=4))
    assert (history.best_epoch, history.select_accuracy) == (2, 0.9)
    assert [epoch.select_accuracy for epoch in history.epochs] == [0.5, 0.9, 0.3, 0.8]
    kept = seen[3]
    assert all(torch.equal(kept[name], tensor) for name, tensor in tuned.model.state_dict().items())


def test_training_that_only_harms_keeps_the_weights_from_before(data, teacher):
    """Epoch 0 is a candidate too, and the history says so."""
    harmful = Recipe(epochs=1, lr=2.0, warmup=0.0, augment="none", clip_norm=None, batch_size=300)
    tuned, history = finetune(teacher, data, replace(harmful, batchnorm_batches=0))
    assert history.best_epoch == 0
    assert any("did not help" in note for note in history.notes)
    assert tuned.sha256 == teacher.sha256


def test_reestimated_statistics_alone_repair_shifted_ones(data, teacher):
    """No epoch at all: statistics damaged on purpose come back, weights stay."""
    model = TinyNet(16)
    model.load_state_dict(teacher.model.state_dict())
    model.norm2.running_mean += 3.0
    damaged = checkpoint_of(model)
    tuned, history = finetune(damaged, data, Recipe(epochs=0))
    assert history.epochs == ()
    assert history.select_accuracy == history.select_accuracy_batchnorm > history.select_accuracy_before + 0.2
    assert torch.equal(tuned.model.conv2.weight, model.conv2.weight)


def test_reestimated_statistics_that_are_worse_are_dropped(data, teacher):
    """A set of black images would ruin them; the given ones stay, and the history says so."""
    black = images_of("train", np.zeros((40, 1, 8, 8), dtype=np.uint8), np.zeros(40))
    tuned, history = finetune(teacher, replace(data, train=black), Recipe(epochs=0))
    assert history.select_accuracy_batchnorm < history.select_accuracy_before == history.select_accuracy
    assert tuned.sha256 == teacher.sha256
    assert "the given ones were kept" in history.notes[0]


def test_a_model_without_batchnorm_can_be_tuned(data):
    """Nothing is re-estimated there."""
    torch.manual_seed(0)
    _, history = finetune(checkpoint_of(TinyNet(norm=False)), data, QUICK)
    assert history.select_accuracy_batchnorm is None
    assert history.select_accuracy > history.select_accuracy_before + 0.2


def test_micro_batches_add_up_to_the_batch(data):
    """Without BatchNorm the parts of a batch give the same step, up to rounding."""
    torch.manual_seed(0)
    start = checkpoint_of(TinyNet(norm=False))
    one, _ = finetune(start, data, replace(QUICK, epochs=1, precision="fp32", micro_batch=50))
    many, _ = finetune(start, data, replace(QUICK, epochs=1, precision="fp32", micro_batch=10))
    for name, tensor in one.model.state_dict().items():
        assert torch.allclose(tensor, many.model.state_dict()[name], atol=1e-4), name


def test_a_good_teacher_is_learnt_from(data, fresh, teacher):
    """The student's answers come closer to its own."""
    recipe = replace(QUICK, distill_weight=0.9)
    alone, without = finetune(fresh, data, recipe)
    taught, history = finetune(fresh, data, recipe, teacher=teacher)
    assert [epoch.teacher_share for epoch in history.epochs] == [1.0] * 3
    assert [epoch.teacher_share for epoch in without.epochs] == [None] * 3
    assert without.teacher_sha256 is None
    assert not without.recipe.distill
    goal, images = teacher.classifier(), data.select.read(range(200))
    with torch.no_grad():
        wanted = goal(images).softmax(1)
        distances = [(one.classifier()(images).softmax(1) - wanted).abs().sum() for one in (taught, alone)]
    assert distances[0] < distances[1]


def test_a_teacher_that_knows_less_is_not_heeded(data, fresh, monkeypatch):
    """An untrained one is soon dropped; believed to the end, it would hold the student down."""
    ignorant, recipe = checkpoint_of(TinyNet(16)), replace(QUICK, epochs=4)
    _, doubting = finetune(fresh, data, recipe, teacher=ignorant)
    monkeypatch.setattr(objective.Trust, "update", lambda *_: None)
    _, believing = finetune(fresh, data, recipe, teacher=ignorant)
    assert doubting.epochs[0].teacher_share < 1.0
    assert doubting.epochs[-1].teacher_share == 0.0
    assert believing.epochs[-1].teacher_share == 1.0
    assert doubting.select_accuracy > believing.select_accuracy


def test_distillation_can_be_switched_off(data, fresh, teacher):
    """A teacher in the hand is then not used."""
    recipe = replace(QUICK, epochs=1, distill=False)
    assert finetune(fresh, data, recipe, teacher=teacher)[0].sha256 == finetune(fresh, data, recipe)[0].sha256


def test_adversarial_training_makes_robust(data, fresh):
    """FGSM at 0.1 leaves far more standing, and the best epoch is chosen by robust accuracy."""
    recipe = Recipe(epochs=6, lr=0.2, batch_size=50, augment="none", batchnorm_batches=0)
    natural, _ = finetune(fresh, data, recipe)
    robust, history = finetune(fresh, data, replace(recipe, adversarial="linf:1/10", adversarial_steps=2))
    assert fgsm_accuracy(robust, data, 0.1) > fgsm_accuracy(natural, data, 0.1) + 0.15
    best = max(history.epochs, key=lambda epoch: (epoch.select_robust_accuracy, epoch.number))
    assert history.best_epoch == best.number
    assert history.select_robust_accuracy == best.select_robust_accuracy


def test_the_moving_average_is_what_is_judged_and_returned(data, fresh):
    """A nearly frozen average stays near its start; the weights themselves move away."""
    recipe = replace(QUICK, epochs=1, batchnorm_batches=0)
    averaged, history = finetune(fresh, data, replace(recipe, ema_decay=0.999))
    plain, _ = finetune(fresh, data, recipe)
    start = fresh.model.linear.weight
    assert (averaged.model.linear.weight - start).norm() < 0.3 * (plain.model.linear.weight - start).norm()
    assert evaluate(averaged.classifier(), data.select).accuracy == history.select_accuracy


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda data: replace(data, train=None), "no training images"),
        (lambda data: replace(data, train=data.train.take([0])), "no training images"),
        (lambda data: replace(data, select=None), "no select images"),
        (lambda data: replace(data, train=replace(data.train, labels=data.train.labels + 1)), "label 10"),
        (lambda data: replace(data, select=replace(data.select, shape=(3, 8, 8))), r"\(3, 8, 8\)"),
    ],
)
def test_images_that_cannot_be_trained_on_are_refused(change, sentence, data, fresh):
    """One sentence and an advice; test images never stand in."""
    with pytest.raises(FinetuneError, match=sentence) as caught:
        finetune(fresh, change(data), QUICK)
    assert caught.value.advice


def test_a_teacher_of_other_classes_is_refused(data, fresh, teacher):
    """Its answers could not be compared."""
    with pytest.raises(FinetuneError, match="teacher has 11 classes"):
        finetune(fresh, data, QUICK, teacher=replace(teacher, num_classes=11))


def test_unknown_preprocessing_is_never_guessed(data, fresh):
    """The loader's own message comes through."""
    with pytest.raises(LoadError, match="normalised"):
        finetune(replace(fresh, preprocess=None), data, QUICK)


def test_divergence_in_the_first_epoch_is_an_error_that_keeps_the_model(data, fresh):
    """The message names the epoch and what to try; the model with its statistics re-estimated is not lost."""
    wild = Recipe(epochs=2, lr=1e20, warmup=0.0, clip_norm=None)
    expected, _ = finetune(fresh, data, replace(wild, epochs=0))
    with pytest.raises(Diverged, match="diverged in epoch 1") as caught:
        finetune(fresh, data, wild)
    assert "learning rate" in caught.value.advice
    assert caught.value.checkpoint.sha256 == expected.sha256 != fresh.sha256
    assert caught.value.history.epochs == ()
    assert caught.value.history.select_accuracy == evaluate(expected.classifier(), data.select).accuracy
    assert "diverged in epoch 1" in caught.value.history.notes[-1]


def test_a_loss_that_explodes_is_divergence_too(data, teacher):
    """Every number is finite, and yet it is lost: the loss is ten times that of the first step."""
    wild = Recipe(epochs=3, lr=30.0, warmup=0.0, clip_norm=None, batch_size=50)
    sentence = r"epoch 1: the loss went from 0\.\d+ to [\d.e+]+; the model from before"
    with pytest.raises(Diverged, match=sentence) as caught:
        finetune(teacher, data, wild)
    assert caught.value.history.best_epoch == 0


def test_one_bad_step_is_no_divergence():
    """About ten steps count; guessing is the least that the loss is compared with, and what was seen once stays."""
    watch = tally.Watch(10, torch.device("cpu"))
    for loss in (0.1, 0.1, 150.0, 0.1, 0.1):
        watch.see(torch.tensor(loss, dtype=torch.float64))
    assert watch.is_calm()
    first, recent, _ = watch.state.tolist()
    assert (first, recent) == pytest.approx((0.1, 0.9**2 * (0.9 * 0.1 + 15) + 0.019))
    for _ in range(5):
        watch.see(torch.tensor(50.0, dtype=torch.float64))
    for _ in range(50):
        watch.see(torch.tensor(0.1, dtype=torch.float64))
    assert watch.state[1] < 1
    assert not watch.is_calm()


def test_divergence_later_keeps_the_last_good_epoch(data, fresh, monkeypatch):
    """Training stops there, says so, and returns what was good."""
    trouble = loop.Training.trouble
    monkeypatch.setattr(
        loop.Training, "trouble", lambda self, **how: "it is dictated" if self.epoch == 2 else trouble(self, **how)
    )
    listener = Killer()
    tuned, history = finetune(fresh, data, QUICK, progress=listener)
    assert len(history.epochs) == 2
    assert history.best_epoch in {1, 2}
    sentence = f"training diverged in epoch 3: it is dictated; epoch {history.best_epoch} was kept"
    assert sentence in history.notes
    assert sentence in listener.heard
    assert evaluate(tuned.classifier(), data.select).accuracy == history.select_accuracy


def test_the_guard_of_the_test_role_works():
    """The fake would notice: otherwise every test above would prove nothing."""
    with pytest.raises(AssertionError, match="test image"):
        forbidden().read([0])
    with pytest.raises(AssertionError, match="test image"):
        forbidden().digest(0)
