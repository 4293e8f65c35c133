"""The adapter around torchattacks: its traps do not reach us."""

import random

import numpy as np
import pytest
import torch
from attack_nets import L2, LINF, LinearCase, sizes, threat
from torch import nn

from compressor.attacks.fgsm import fgsm
from compressor.attacks.model import AttackedModel
from compressor.attacks.table import fit, run_attack
from compressor.attacks.torchattacks import NORMS, REFUSED
from compressor.errors import CertifyError

pytestmark = pytest.mark.slow  # importing torchattacks alone takes seconds


def test_every_name_exists():
    """Refused and accepted names are names of the catalogue."""
    import torchattacks

    for name in {*REFUSED, *NORMS[LINF], *NORMS[L2]}:
        assert hasattr(torchattacks, name), name


@pytest.mark.parametrize(("norm", "name"), [(norm, name) for norm in (LINF, L2) for name in NORMS[norm]])
def test_every_attack_stays_in_the_ball(norm, name):
    """Whatever an attack answers is clipped to ball and box, and its passes are counted."""
    torch.manual_seed(5)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))
    images = torch.rand(3, 3, 8, 8)
    labels, seeds = net(images).argmax(1), torch.arange(3)
    what = threat(norm, 0.05)
    short = {"steps": 3, "n_queries": 10, "nb_sample": 4, "num_iter_set": 3}
    _, full = fit(f"torchattacks:{name}", {}, threat=what, num_classes=5)
    settings = full | {key: value for key, value in short.items() if key in full}
    with AttackedModel(net, shape=(3, 8, 8)) as model:
        found = run_attack(f"torchattacks:{name}", settings, model, images, labels, threat=what, seeds=seeds)
    assert float(sizes(found, images, norm).max()) <= 0.05
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    assert model.num_forward > 0
    assert not found.requires_grad


def test_fgsm_is_fgsm():
    """Their FGSM and ours are the same step."""
    case = LinearCase(num=6)
    what = threat(LINF, 0.01)
    _, settings = fit("torchattacks:FGSM", {}, threat=what, num_classes=5)
    with AttackedModel(case.net, shape=case.shape) as model:
        theirs = run_attack(
            "torchattacks:FGSM", settings, model, case.images, case.labels, threat=what, seeds=case.seeds
        )
        ours = fgsm(model, case.images, case.labels, threat=what, seeds=case.seeds)
    assert torch.allclose(theirs, ours, atol=1e-6)


def test_random_states_and_modes_are_put_back():
    """The user's random numbers go on as if nothing had happened, and each image has its own."""
    case = LinearCase(num=4)
    what = threat(LINF, 0.05)
    _, settings = fit("torchattacks:APGD", {"steps": 2}, threat=what, num_classes=5)
    states = torch.get_rng_state().clone(), np.random.get_state()[1].copy(), random.getstate()
    case.net.train()
    with AttackedModel(case.net, shape=case.shape) as model:
        given = {"threat": what, "seeds": case.seeds}
        whole = run_attack("torchattacks:APGD", settings, model, case.images, case.labels, **given)
        given["seeds"] = case.seeds[2:3]
        part = run_attack("torchattacks:APGD", settings, model, case.images[2:3], case.labels[2:3], **given)
    assert torch.equal(whole[2:3], part)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert random.getstate() == states[2]
    assert case.net.training


@pytest.mark.parametrize(
    ("name", "settings", "num_classes", "norm", "words"),
    [
        ("AutoAttack", {}, 10, LINF, "10 steps instead of 100"),
        ("CW", {}, 10, L2, "negative"),
        ("Nonsense", {}, 10, LINF, "not an attack in linf"),
        ("PGD", {}, 10, L2, "not an attack in l2"),
        ("APGDT", {}, 3, LINF, "needs 4 classes"),
        ("APGD", {"loss": "dlr"}, 2, LINF, "needs 3 classes"),
        ("PGD", {"step": 5}, 10, LINF, "has no setting 'step'"),
        ("PGD", {"steps": "ten"}, 10, LINF, "cannot have steps = 'ten'"),
        ("PGD", {"steps": 2.5}, 10, LINF, "cannot have steps = 2.5"),
        ("PGD", {"steps": True}, 10, LINF, "cannot have steps = True"),
        ("PGD", {"random_start": 1}, 10, LINF, "cannot have random_start = 1"),
        ("PGD", {"alpha": "0.1"}, 10, LINF, "cannot have alpha = '0.1'"),
        ("PGD", {"alpha": float("nan")}, 10, LINF, "cannot have alpha = nan"),
        ("APGD", {"loss": 3}, 10, LINF, "cannot have loss = 3"),
        ("PGD", {"eps": 0.5}, 10, LINF, "eps = 0.5 as a setting: the threat gives it"),
        ("PIFGSM", {"max_epsilon": 0.5}, 10, LINF, "max_epsilon = 0.5 as a setting: the threat gives it"),
        ("Square", {"seed": 7}, 10, LINF, "seed = 7 as a setting: each image gives it"),
        ("Square", {"norm": "L2"}, 10, LINF, "norm = 'L2' as a setting: the threat gives it"),
        ("APGDT", {"n_classes": 3}, 10, LINF, "n_classes = 3 as a setting: the model gives it"),
        ("APGD", {"verbose": True}, 10, LINF, "verbose = True as a setting: the run gives it"),
        ("PGD", {"device": "cuda"}, 10, LINF, "device = 'cuda' as a setting: the run gives it"),
    ],
)
def test_what_would_mislead_is_refused(name, settings, num_classes, norm, words):
    """With the reason."""
    with pytest.raises(CertifyError, match=words):
        fit(f"torchattacks:{name}", settings, threat=threat(norm, 0.1), num_classes=num_classes)


def test_every_setting_is_stated():
    """Defaults of the catalogue are written out; epsilon is the threat's, and the step follows it."""
    _, settings = fit("torchattacks:PGD", {"steps": 40}, threat=threat(LINF, 0.5), num_classes=10)
    assert settings == {"eps": 0.5, "alpha": 0.125, "steps": 40, "random_start": True}


def test_numbers_may_be_whole_where_the_default_is_a_fraction():
    """`alpha = 1` is a number like another."""
    _, settings = fit("torchattacks:PGD", {"alpha": 1, "random_start": False}, threat=threat(LINF, 0.5), num_classes=10)
    assert settings == {"eps": 0.5, "alpha": 1, "steps": 10, "random_start": False}


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("APGD", {"loss": "nonsense"}, "torchattacks:APGD failed: "),
        ("Square", {"loss": "nonsense"}, "torchattacks:Square failed: "),
        ("TIFGSM", {"kernel_name": "nonsense"}, "torchattacks:TIFGSM failed: "),
    ],
)
def test_what_an_attack_trips_over_is_told_with_its_name(name, settings, words):
    """Only it knows which words it takes; its complaint is the user's to mend, and no fault of ours."""
    case = LinearCase(num=1)
    what = threat(LINF, 0.05)
    _, full = fit(f"torchattacks:{name}", settings, threat=what, num_classes=5)
    given = {"threat": what, "seeds": case.seeds}
    with AttackedModel(case.net, shape=case.shape) as model, pytest.raises(CertifyError, match=words) as caught:
        run_attack(f"torchattacks:{name}", full, model, case.images, case.labels, **given)
    assert "nonsense" in caught.value.advice
    assert "\n" not in str(caught.value)


def test_memory_that_ran_out_is_not_the_attacks_fault(monkeypatch):
    """It goes on as it was, so that fewer images are tried."""
    from compressor.attacks import torchattacks

    def hungry(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torchattacks, "_fresh", hungry)
    case = LinearCase(num=1)
    with AttackedModel(case.net, shape=case.shape) as model, pytest.raises(torch.OutOfMemoryError):
        run_attack("torchattacks:PGD", {}, model, case.images, case.labels, threat=threat(LINF, 0.1), seeds=case.seeds)
