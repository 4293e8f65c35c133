"""The curve: one search per norm gives accuracy at every epsilon."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch
from certify_fakes import SHAPE, Stopped, StopsAfter, answered_by, bent, checkpoint_of, images_of, linear, run
from tiny_onnx import linear_onnx, random_weights

from compressor.attacks.threat import parse_threat
from compressor.certify.certify import certify
from compressor.certify.curve import ladder, telling
from compressor.certify.outcomes import contradictions
from compressor.records import dump
from compressor.types import Norm


@pytest.fixture(scope="module")
def scene():
    """Return a small network and images that it answers right, but for six."""
    model = bent()
    return model, answered_by(model)


def of_norm(certificate, norm):
    """Return epsilon and accuracy of each point of one norm."""
    return [(Fraction(each.epsilon), each.accuracy) for each in certificate.result.curve if each.norm == norm]


def test_the_ladder_holds_the_epsilons_that_people_use():
    """Multiples of 1/255 and halves for linf, eighths and halves for l2, in small steps, up to all there is."""
    steps = [rung.epsilon for rung in ladder(Norm.LINF)]
    assert {Fraction(number, 510) for number in (1, 2, 4, 8, 16, 32, 64)} <= set(steps)
    assert steps[-1] == 1
    wide = [rung.epsilon for rung in ladder(Norm.L2)]
    assert {Fraction(1, 8), Fraction(1, 4), Fraction(1, 2), Fraction(1), Fraction(2)} <= set(wide)
    for rungs in (steps, wide):
        ratios = [after / before for before, after in itertools.pairwise(rungs)]
        assert max(ratios) <= 2
        assert min(ratios) > 1.3


def test_the_epsilons_shown_are_those_where_something_changes():
    """From the last at which nothing fell to the first at which all has fallen that ever does."""
    rungs = [parse_threat(f"l2:{number}") for number in (1, 2, 3, 4, 5, 6)]

    def shown(*distances):
        return [int(rung.epsilon) for rung in telling(rungs, np.array(distances, dtype=np.float64))]

    assert shown(2.5, 4.2) == [2, 3, 4, 5]
    assert shown(3.0, 3.0) == [2, 3]
    assert shown(2.5, np.inf, 3.5) == [2, 3, 4]
    assert shown(0.5, 9.0) == [1, 2, 3, 4, 5, 6]
    assert shown(np.inf, np.inf) == [1, 6]


def test_the_curve_falls_from_clean_accuracy_to_nothing(scene):
    """In both norms, and what happened to each image gives every point."""
    certificate, outcomes = run(*scene)
    for norm in ("linf", "l2"):
        epsilons, accuracies = zip(*of_norm(certificate, norm), strict=True)
        assert list(epsilons) == sorted(epsilons)
        assert list(accuracies) == sorted(accuracies, reverse=True)
        assert accuracies[0] == 0.9 or epsilons[0] == ladder(Norm(norm))[0].epsilon
        assert 0.9 > accuracies[1] >= accuracies[-2] > accuracies[-1] == 0.0
    assert contradictions(certificate, outcomes) == ()
    assert {each.attacks for each in outcomes.threats} == {("fmn",)}
    assert "nothing is claimed" in certificate.result.claim


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_curve_of_a_linear_model_is_known(norm):
    """Two classes: accuracy is the share of images whose distance is above epsilon, but for those within 2 %."""
    weights = random_weights(SHAPE, 2)
    model = linear(weights)
    pixels = 0.3 + 0.4 * torch.rand(80, *SHAPE, generator=torch.Generator().manual_seed(3))
    logits = model(pixels).detach().double()
    gap = weights[:, 0].astype(np.float64) - weights[:, 1]
    size = np.abs(gap).sum() if norm == "linf" else np.linalg.norm(gap)
    distance = ((logits[:, 0] - logits[:, 1]).abs() / size).numpy()
    given = {"threats": [], "data_spec": "x", "params": 1, "macs": 1}
    certificate, _ = certify(checkpoint_of(model, num_classes=2), images_of(pixels, logits.argmax(1)), **given)
    points = of_norm(certificate, norm)
    assert len(points) > 4
    for epsilon, accuracy in points:
        assert (distance > float(epsilon) * 1.0001).mean() <= accuracy
        assert accuracy <= (distance > float(epsilon) / 1.02).mean()


def test_the_curve_is_about_as_low_as_a_quick_battery(scene):
    """At each of its epsilons the quick battery leaves no more than one image in thirty less."""
    certificate, _ = run(*scene)
    points = [each for each in certificate.result.curve if 0.1 < each.accuracy < 0.85]
    threats = [parse_threat(f"{each.norm}:{each.epsilon}") for each in points]
    battery, _ = run(*scene, threats=threats, battery="quick")
    assert {threat.norm for threat in threats} == {Norm.LINF, Norm.L2}
    for point, result in zip(points, battery.result.threats, strict=True):
        assert point.accuracy <= result.robust_accuracy + 2 / 60


@pytest.mark.slow
def test_the_way_of_running_changes_no_byte(scene, tmp_path):
    """Other batch sizes; stopped again and again; with a damaged state file; and a finished search is not run again."""
    straight = run(*scene)
    state = tmp_path / "state"
    num_stops = 0
    for number in range(1, 50):
        try:
            found = run(*scene, batch_size=4 + number, state=state, progress=StopsAfter(3 + 2 * number))
        except Stopped:
            num_stops += 1
            continue
        break
    assert num_stops >= 2
    some = sorted(state.rglob("*.npz"))
    some[-1].write_bytes(b"damaged")
    again = run(*scene, batch_size=11, state=state)
    for each in (found, again, run(*scene, batch_size=7)):
        assert dump(each[0].result) == dump(straight[0].result)
        assert each[1].to_bytes() == straight[1].to_bytes()


def test_a_finished_search_is_not_run_again(scene, tmp_path, monkeypatch):
    """Its state is used; that of other images is not."""
    from compressor.certify import curve

    model, images = scene
    straight = run(model, images, state=tmp_path)
    monkeypatch.setattr(curve, "nearest_wrong", None)
    assert dump(run(model, images, state=tmp_path)[0].result) == dump(straight[0].result)
    with pytest.raises(TypeError):
        run(model, images.take(range(40)), state=tmp_path)


def test_what_only_the_file_answers_wrong_has_no_distance_to_go():
    """An image that the file answers wrong counts as wrong at every epsilon, although the torch model is right."""
    weights = random_weights(SHAPE, 5)
    model, file = linear(weights), linear_onnx(weights + 0.1 * random_weights(SHAPE, 5, seed=1), shape=SHAPE)
    certificate, outcomes = run(model, answered_by(model, wrong=0), artefact=file)
    assert certificate.result.clean_accuracy < 1.0
    assert certificate.result.curve[0].accuracy == certificate.result.clean_accuracy
    assert contradictions(certificate, outcomes) == ()


def test_nothing_right_gives_a_flat_curve():
    """A model that is always wrong stands at zero everywhere."""
    model = bent()
    certificate, _ = run(model, answered_by(model, num=12, wrong=12))
    assert {each.accuracy for each in certificate.result.curve} == {0.0}
    assert len(certificate.result.curve) == 4
