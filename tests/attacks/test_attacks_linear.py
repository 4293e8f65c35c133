"""Every attack on a linear classifier, where the exact distance to the nearest wrong answer is known."""

import pytest
import torch
from attack_nets import L2, LINF, LinearCase, sizes, threat

from compressor.attacks.model import AttackedModel
from compressor.attacks.table import ATTACKS

EXACT = [
    ("fgsm", {}, 2),
    ("fgsm", {"loss": "margin"}, 2),
    ("pgd", {"num_steps": 20}, 2),
    ("pgd", {"loss": "margin", "random_start": False}, 2),
    ("apgd", {"num_steps": 50}, 2),
    ("apgd", {"loss": "margin", "num_steps": 50}, 2),
    ("margin", {}, 2),
    ("margin", {"num_targets": 2}, 3),
    ("margin", {"num_targets": 4}, 5),
    ("apgd-targeted", {"num_steps": 40, "num_targets": 3}, 4),
    ("apgd-targeted", {"num_steps": 40, "num_targets": 4}, 5),
    ("fab-targeted", {"num_steps": 5, "num_targets": 1}, 2),
    ("fab-targeted", {"num_steps": 5, "num_targets": 4}, 5),
    ("fmn", {}, 2),
]
"""With so many classes these find whatever there is to find: with more than two, one must try each class in turn."""

ALL = [
    ("fgsm", {}),
    ("fgsm", {"loss": "margin"}),
    ("pgd", {"num_restarts": 2, "num_steps": 5}),
    ("pgd", {"loss": "margin", "random_start": False}),
    ("apgd", {"num_steps": 20}),
    ("apgd", {"loss": "dlr", "num_steps": 20}),
    ("apgd-targeted", {"num_steps": 10}),
    ("margin", {"num_steps": 5}),
    ("fab-targeted", {"num_steps": 4, "num_restarts": 2}),
    ("fmn", {"num_steps": 10}),
    ("square", {"num_queries": 60}),
    ("square", {"num_queries": 60, "rescale": True}),
    ("noise", {"num_draws": 3}),
]


@pytest.fixture(scope="module")
def case() -> LinearCase:
    """Return the oracle."""
    return LinearCase()


def attack(case, name, settings, what, rows=slice(None)):
    """Run one attack by name on some images; return what it found and which of it is answered wrong."""
    with AttackedModel(case.net, shape=case.shape) as model:
        given = {"threat": what, "seeds": case.seeds[rows], **settings}
        found = ATTACKS[name](model, case.images[rows], case.labels[rows], **given)
        return found, model.logits(found, case.seeds[rows]).argmax(1) != case.labels[rows]


@pytest.mark.parametrize("norm", [LINF, L2])
@pytest.mark.parametrize(("name", "settings", "num_classes"), EXACT)
def test_breaks_exactly_what_can_be_broken(name, settings, num_classes, norm):
    """An image falls if and only if its distance is below epsilon (to half a percent); none moves farther than that."""
    case = LinearCase(num_classes=num_classes)
    distances = case.distances(norm)
    epsilon = float(distances.median()) * 1.03
    found, wrong = attack(case, name, settings, threat(norm, epsilon))
    clear = (distances / epsilon - 1).abs() > 0.005
    assert torch.equal(wrong[clear], (distances < epsilon)[clear])
    assert int(clear.sum()) > 16
    assert 4 < int(wrong.sum()) < 20
    assert float(sizes(found, case.images, norm).max()) <= epsilon
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1


@pytest.mark.parametrize("norm", [LINF, L2])
@pytest.mark.parametrize(("name", "settings"), ALL)
def test_never_breaks_what_cannot_be_broken(case, name, settings, norm):
    """Images beyond epsilon stand, whatever the attack."""
    distances = case.distances(norm)
    epsilon = float(distances.median()) * 1.03
    found, wrong = attack(case, name, settings, threat(norm, epsilon))
    assert not bool((wrong & (distances >= epsilon)).any())
    assert float(sizes(found, case.images, norm).max()) <= epsilon


@pytest.mark.parametrize("norm", [LINF, L2])
@pytest.mark.parametrize(("name", "settings"), ALL)
def test_an_image_does_not_care_about_its_batch(case, name, settings, norm):
    """In batches of 1, 3 and 8, and in another order, each image gets the same adversarial image to the last bit."""
    what = threat(norm, float(case.distances(norm).median()))
    whole, _ = attack(case, name, settings, what)
    for rows in (torch.tensor([5]), torch.tensor([7, 2, 11]), torch.arange(15, 23)):
        part, _ = attack(case, name, settings, what, rows)
        assert torch.equal(part, whole[rows])


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_images_that_are_wrong_already_stay(case, name):
    """Nothing is searched for an image that is answered wrong as it is."""
    labels = (case.labels + 1) % 5
    what = threat(LINF, 0.001)
    with AttackedModel(case.net, shape=case.shape) as model:
        found = ATTACKS[name](model, case.images, labels, threat=what, seeds=case.seeds)
        assert bool((model.logits(found, case.seeds).argmax(1) != labels).all())
    assert model.num_forward <= 3 * len(labels)
