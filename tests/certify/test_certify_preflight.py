"""Negative controls: what fools attacks is flagged, what is undefended falls, and a sound model raises nothing."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from certify_fakes import NUM_CLASSES, SHAPE, answered_by, bent, images_of, linear, run
from tiny_onnx import random_weights
from torch import nn

from compressor.attacks.model import num_slots
from compressor.attacks.threat import parse_threat
from compressor.certify import preflight
from compressor.certify.certificate import FLAGS
from compressor.certify.claim import curve_flags_of
from compressor.certify.preflight import NUM_PROBES, probes_of
from compressor.certify.siege import Ground
from compressor.certify.work import seeds_of
from compressor.errors import CertifyError
from compressor.progress import Silent
from compressor.verify import attacked

SMALL = parse_threat("linf:4/255")


class Heard(Silent):
    """Remembers what was said."""

    def __init__(self):
        self.said = []

    def say(self, message):
        """Remember a sentence."""
        self.said.append(message)


def flags(certificate):
    """Return the ids of the flags of the first threat."""
    return {flag.id for flag in certificate.result.threats[0].flags}


def robust(certificate):
    """Return the robust accuracy of the first threat."""
    return certificate.result.threats[0].robust_accuracy


class Rounded(nn.Module):
    """Rounds its input to five bits, which leaves no gradient."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, images):
        """Answer."""
        return self.inner((images * 31).round() / 31)


class Softmaxed(nn.Module):
    """Answers with probabilities."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, images):
        """Answer."""
        return self.inner(images).softmax(1)


class Dropping(nn.Module):
    """Forgets to switch dropout off."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, images):
        """Answer."""
        return self.inner(F.dropout(images, 0.3, training=True))


class Constant(nn.Module):
    """Answers class two, always."""

    def forward(self, images):
        """Answer."""
        logits = torch.zeros(len(images), NUM_CLASSES)
        logits[:, 2] = 1.0
        return logits + 0 * images.sum()


class Broken(nn.Module):
    """Answers some images with NaN."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, images):
        """Answer."""
        return self.inner(images) / (images[:, 0, 0, 0] > 0.1)[:, None]


def test_a_sound_model_raises_no_flag():
    """Nothing is random, rounded or saturated here."""
    model = bent()
    certificate, _ = run(model, answered_by(model), threats=[SMALL], battery="standard")
    assert flags(certificate) == set()
    assert 0 < robust(certificate) < certificate.result.clean_accuracy


def test_an_undefended_model_falls():
    """A plain linear model on colour images has nothing left at 8/255."""
    shape = (3, 32, 32)
    model = linear(random_weights(shape, NUM_CLASSES), shape)
    certificate, _ = run(model, answered_by(model, shape=shape), threats=[parse_threat("linf:8/255")])
    assert robust(certificate) == 0.0
    assert flags(certificate) == set()


def test_rounded_inputs_are_flagged():
    """Gradients are zero, so gradient attacks break next to nothing, and a gate that believed them would pass."""
    model = Rounded(bent())
    certificate, _ = run(model, answered_by(model), threats=[parse_threat("linf:12/255")], battery="standard")
    assert {"gradients", "unbounded", "black-box"} <= flags(certificate)
    broken = {attack.name: 0 for attack in certificate.result.threats[0].attacks}
    for attack in certificate.result.threats[0].attacks:
        broken[attack.name] += attack.num_broken
    assert broken["fgsm"] == 0
    assert broken["apgd"] + broken["apgd-targeted"] < broken["square"]  # what random starts happen to hit


def test_a_curve_without_gradients_is_flagged():
    """It is flat because the search is blind; the claim says which checks failed, and a watcher hears why."""
    heard = Heard()
    masked, _ = run(Rounded(bent()), answered_by(bent()), progress=heard)
    sentence = "Flags were raised (gradients, unbounded): the search may have been fooled, and the curve be too high."
    assert sentence in masked.result.claim
    assert [words.split(":")[0] for words in heard.said] == ["flag gradients", "flag unbounded"]
    assert curve_flags_of(masked.result.claim) == ("gradients", "unbounded")
    assert attacked._claim_again(masked.result) == masked.result.claim
    sound, _ = run(bent(), answered_by(bent()))
    assert curve_flags_of(sound.result.claim) == ()
    assert "lags were raised" not in sound.result.claim


def test_probabilities_are_flagged():
    """A softmax at the end hides gradients."""
    model = Softmaxed(bent())
    certificate, _ = run(model, answered_by(model), threats=[SMALL])
    assert "logits" in flags(certificate)


def test_a_random_forward_pass_is_flagged():
    """Dropout that was left on."""
    model = Dropping(bent())
    certificate, _ = run(model, answered_by(bent()), threats=[SMALL])
    assert "deterministic" in flags(certificate)


def test_a_constant_model_cannot_pass():
    """It never changes its answer, so its accuracy is its robust accuracy: chance, and flagged."""
    pixels = torch.rand(100, 1, 6, 6)
    certificate, _ = run(Constant(), images_of(pixels, torch.arange(100) % NUM_CLASSES), threats=[SMALL])
    assert certificate.result.clean_accuracy == robust(certificate) == 0.2
    assert {"gradients", "unbounded"} <= flags(certificate)


def test_answers_that_are_no_numbers_are_refused():
    """Nothing can be concluded; the error names the image."""
    with pytest.raises(CertifyError, match="NaN or infinity for image test/"):
        run(Broken(bent()), answered_by(bent()), threats=[SMALL])


def test_an_adversarial_image_answered_with_nan_is_broken():
    """A model that falls over next to an image does not stand there."""

    class Cliff(nn.Module):
        """Right on images of whole bytes, NaN on all others."""

        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, images):
            levels = images * 255
            is_between = ((levels - levels.round()).abs() > 0.01).flatten(1).any(1)
            return self.inner(images).masked_fill(is_between[:, None], torch.nan)

    pixels = (torch.rand(40, 1, 6, 6) * 255).round() / 255
    images = images_of(pixels, bent()(pixels).argmax(1))
    certificate, _ = run(Cliff(bent()), images, threats=[parse_threat("linf:1/510")])
    assert certificate.result.clean_accuracy == 1.0
    assert robust(certificate) == 0.0


@pytest.mark.slow
def test_transfer_that_beats_the_direct_attack_is_flagged():
    """The dense model's images break a masked slim model that gradients cannot break."""
    dense = bent()
    certificate, _ = run(
        Rounded(dense), answered_by(dense), threats=[parse_threat("linf:12/255")], battery="standard", baseline=dense
    )
    assert "transfer" in flags(certificate)
    assert certificate.result.baseline.transfer < 1


def test_accuracy_that_rises_with_epsilon_is_flagged(monkeypatch):
    """An attack that fails at large epsilons shows in the curve."""
    from compressor.certify import siege

    model, attack = bent(), siege.run_attack

    def fails_far_away(name, settings, attacked, images, labels, *, threat, seeds, clean_logits):
        if threat.radius > 0.1:
            return images
        return attack(name, settings, attacked, images, labels, threat=threat, seeds=seeds)

    monkeypatch.setattr(siege, "run_attack", fails_far_away)
    threats = [parse_threat("linf:0.2"), parse_threat("linf:8/255")]
    certificate, _ = run(model, answered_by(model), threats=threats)
    assert "monotone" in flags(certificate)
    assert "monotone" not in {flag.id for flag in certificate.result.threats[1].flags}


def test_an_attack_that_more_steps_make_weaker_is_flagged(monkeypatch):
    """Steps that lead nowhere: with five of them it breaks what it broke, with ten nothing."""
    from compressor.certify import preflight

    model, attack = bent(), preflight.margin_cascade

    def tires(attacked, images, labels, **options):
        return images if options.get("num_steps", 0) > 5 else attack(attacked, images, labels, **options)

    monkeypatch.setattr(preflight, "margin_cascade", tires)
    certificate, _ = run(model, answered_by(model), threats=[parse_threat("linf:12/255")])
    (flag,) = [flag for flag in certificate.result.threats[0].flags if flag.id == "steps"]
    few, looked_at, _, many = (int(word) for word in flag.measured.split() if word.isdigit())
    assert few < many == looked_at


def test_gradients_next_to_zero_are_flagged():
    """Not exactly zero, but so small that they say nothing about where the margin falls."""

    class Numb(nn.Module):
        """Answers as the inner one does, with a millionth of a millionth of its slope."""

        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, images):
            logits = self.inner(images)
            return logits.detach() + 1e-12 * (logits - logits.detach())

    model = bent()
    sound, _ = run(model, answered_by(model), threats=[SMALL])
    numb, _ = run(Numb(model), answered_by(model), threats=[SMALL])
    assert flags(sound) == set()
    assert "gradients" in flags(numb)


def test_noise_as_strong_as_attacks_is_flagged():
    """A model that falls to noise but not to gradients."""

    class Jagged(nn.Module):
        """Any small change of a pixel changes the answer, with no slope to follow."""

        def forward(self, images):
            level = (images[:, 0].sum((1, 2)) * 40).floor()
            return F.one_hot(level.long() % NUM_CLASSES, NUM_CLASSES).float() * 3 + 0 * images.sum()

    model = Jagged()
    certificate, _ = run(model, answered_by(model), threats=[SMALL])
    assert "noise" in flags(certificate)


def test_the_checks_look_at_all_classes_of_a_data_set_in_class_order():
    """Folders are read class by class; the first hundred images would be of one class."""
    labels = np.repeat(np.arange(NUM_CLASSES), 200)
    images = images_of(torch.rand(len(labels), *SHAPE), torch.from_numpy(labels))
    ground = Ground(
        images=images,
        seeds=seeds_of(images, 0),
        is_right=np.arange(len(labels)) % 3 > 0,
        logits=np.zeros((len(labels), NUM_CLASSES), dtype=np.float32),
    )
    probes = probes_of(ground)
    assert len(probes) == len(set(probes.tolist())) == NUM_PROBES
    assert ground.is_right[probes].all()
    assert np.array_equal(probes, np.sort(probes))
    assert np.bincount(labels[probes], minlength=NUM_CLASSES).min() >= 10
    assert np.array_equal(probes, probes_of(ground))
    slots = ground.seeds[probes] % num_slots(images.shape)
    assert np.bincount(slots).max() == -(-NUM_PROBES // num_slots(images.shape))


def test_answers_are_repeated_on_images_from_all_over_the_data_set():
    """Randomness that only the last third of the images meets is noticed, too."""
    model = bent()

    class Late(nn.Module):
        """Random where the first pixel is bright."""

        def forward(self, pixels):
            is_bright = (pixels[:, 0, 0, :1] > 0.66).flatten(1)
            return model(pixels) + is_bright * torch.rand(len(pixels), 1)

    images = answered_by(model, num=300)
    brightness = images.read(range(len(images)))[:, 0, 0, 0]
    certificate, _ = run(Late(), images.take(brightness.argsort().tolist()), threats=[SMALL])
    assert "deterministic" in flags(certificate)


def test_the_flags_that_can_be_waived_are_those_that_can_be_raised() -> None:
    """A policy is checked where torch is not installed, so their ids stand beside the record."""
    assert re.findall(r'\bid="([a-z-]+)"', Path(str(preflight.__file__)).read_text()) == list(FLAGS)
