"""certify with proofs: what stands in the record, in the outcomes and in the claim."""

import copy
import dataclasses
import json

import numpy as np
import pytest
import torch
from certify_fakes import NUM_CLASSES, Stopped, StopsAfter, answered_by, bent, checkpoint_of, run
from torch import nn

from compressor.archive import npz_bytes, read_npz
from compressor.attacks.threat import parse_threat
from compressor.certify import proving
from compressor.certify.certificate import Certificate, digest_of_result
from compressor.certify.demand import Demand, Demands
from compressor.certify.outcomes import contradictions, read_outcomes
from compressor.certify.siege import STANDING, WRONG
from compressor.errors import EvidenceError, OptionError
from compressor.prove import Prover
from compressor.records import dump, parse

THREATS = [parse_threat("linf:2/255"), parse_threat("l2:0.08")]


@pytest.fixture(autouse=True)
def _few_are_smoothed(monkeypatch):
    monkeypatch.setattr(proving, "NUM_SMOOTHED", 4)
    monkeypatch.setattr(proving, "IMAGES_AT_ONCE", 5)


@pytest.fixture(scope="module")
def scene():
    """Return a slim model, a dense one, and images of which the slim one answers three wrong."""
    slim = bent(5)
    dense = copy.deepcopy(slim)
    for weight in dense.parameters():
        weight.data += 0.02 * torch.randn_like(weight)
    return slim, dense, answered_by(slim, num=16, wrong=3)


@pytest.fixture(scope="module")
def certified(scene):
    """Return a certificate with proofs beside a baseline."""
    slim, dense, images = scene
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proving, "NUM_SMOOTHED", 4)
        return run(slim, images, threats=THREATS, baseline=dense, prove=True)


def pooled() -> nn.Module:
    """Return a network that no bound is known for."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(16, NUM_CLASSES)
    ).eval()


def test_the_record_says_what_was_proved(certified):
    """Proved lies below the battery, every number follows from the outcomes, and both files read back."""
    certificate, outcomes = certified
    assert parse(dump(certificate), Certificate, source="test") == certificate
    assert contradictions(certificate, read_outcomes(outcomes.to_bytes())) == ()
    assert read_outcomes(outcomes.to_bytes()).to_bytes() == outcomes.to_bytes()
    for each, proof, outcome in zip(certificate.result.threats, outcomes.proofs, outcomes.threats, strict=True):
        assert 0 < each.proved_accuracy <= each.robust_accuracy
        assert each.proved_accuracy == each.proof.num_proved / 16 == proof.proved.mean()
        assert each.proof.interval[0] < each.proved_accuracy < each.proof.interval[1]
        assert (each.proof.method, each.proof.out_of_reach) == ("alpha-crown", None)
        assert (outcome.slim[proof.proved] == STANDING).all()
        assert np.array_equal(np.isnan(proof.bounds), outcome.slim == WRONG)
        assert np.array_equal(~np.isnan(proof.falls), outcomes.dense_answers == outcomes.labels)
        fall = each.proof.margin_fall
        assert fall.num_images == (outcomes.dense_answers == outcomes.labels).sum()
        known = np.sort(proof.falls[~np.isnan(proof.falls)])
        assert fall.median == known[(len(known) + 1) // 2 - 1]
        assert fall.p90 >= fall.median
    assert certificate.result.threats[0].proof.smoothing is None
    smooth = certificate.result.threats[1].proof.smoothing
    assert (smooth.sigma, smooth.num_draws, smooth.num_images, smooth.alpha) == ("2/25", 1000, 4, 0.001)
    assert smooth.certified_accuracy == (outcomes.proofs[1].smoothed == 2).sum() / 4


def test_the_claim_keeps_proof_battery_and_smoothing_apart(certified):
    """Below and above in one sentence, what the proof is about, and the smoothed classifier as another one."""
    certificate, _ = certified
    claim, first = certificate.result.claim, certificate.result.threats[0]
    assert f"at least {first.proved_accuracy:.1%} (proved) and at most {first.robust_accuracy:.1%} (battery)" in claim
    assert "it does not cover rounding" in claim
    assert "about another classifier" in claim
    assert "lead of the right logit" in claim


def test_without_the_option_nothing_is_new(scene):
    """No key, no array, no word: certificates made before have the bytes that they would have now."""
    slim, _, images = scene
    certificate, outcomes = run(slim, images, threats=THREATS[:1])
    told = json.loads(dump(certificate))["result"]["threats"][0]
    assert "proof" not in told
    assert told["proved_accuracy"] is None
    assert outcomes.proofs == ()
    assert "proofs" not in read_npz(outcomes.to_bytes())
    assert "proved" not in certificate.result.claim
    again = parse(dump(certificate), Certificate, source="test")
    assert digest_of_result(again.result) == certificate.result_sha256


def test_what_is_out_of_reach_is_said(scene):
    """The operator by name; nothing counts as proved; smoothing needs no bounds."""
    _, dense, images = scene
    model = pooled()
    certificate, outcomes = run(model, answered_by(model, num=6, wrong=1), threats=THREATS[1:], prove=True)
    each = certificate.result.threats[0]
    assert each.proved_accuracy is None
    assert each.proof.interval is None
    assert "MaxPool2d (model.1)" in each.proof.out_of_reach
    assert each.proof.smoothing.num_images == 4
    assert "out of reach: the operator MaxPool2d (model.1)" in certificate.result.claim
    assert contradictions(certificate, outcomes) == ()
    certificate, outcomes = run(dense, images, threats=THREATS[:1], baseline=model, prove=True)
    fall = certificate.result.threats[0].proof.margin_fall
    assert certificate.result.threats[0].proved_accuracy is not None
    assert (fall.median, fall.num_images) == (None, 0)
    assert fall.out_of_reach.startswith("of the dense model, the operator MaxPool2d")
    assert contradictions(certificate, outcomes) == ()


def test_an_interrupted_proof_ends_as_a_straight_one(scene, certified, tmp_path, monkeypatch):
    """Stopped again and again, in other flights and on other threads: the same bytes, and no bound sought twice."""
    slim, dense, images = scene
    how = {"threats": THREATS, "baseline": dense, "prove": True, "state": tmp_path}
    num_stops, threads = 0, torch.get_num_threads()
    try:
        for number in range(1, 60):
            torch.set_num_threads(1 + number % 2)
            try:
                found = run(slim, images, batch_size=7 + number, progress=StopsAfter(20 + number), **how)
            except Stopped:
                num_stops += 1
                continue
            break
    finally:
        torch.set_num_threads(threads)
    assert num_stops >= 1
    assert dump(found[0].result) == dump(certified[0].result)
    assert found[1].to_bytes() == certified[1].to_bytes()
    monkeypatch.setattr(Prover, "least_margin", None)
    assert dump(run(slim, images, **how)[0].result) == dump(certified[0].result)


def test_a_broken_image_that_counts_as_proved_is_a_fault_of_ours(scene, monkeypatch):
    """One of the two must be wrong, so nothing is concluded."""
    slim, _, images = scene
    monkeypatch.setattr(Prover, "least_margin", lambda *_: 1e9)
    with pytest.raises(AssertionError, match="proved and broken"):
        run(slim, images, threats=[parse_threat("linf:200/255")], prove=True)


def test_there_must_be_a_threat(scene):
    """A curve claims nothing, so there is nothing to prove."""
    slim, _, images = scene
    with pytest.raises(OptionError, match="--prove"):
        run(slim, images, prove=True)


def test_images_that_were_not_looked_at_are_not_proved(scene):
    """With demands, the proof covers the images of the certificate."""
    slim, _, images = scene
    demands = Demands(each=(Demand(threat=THREATS[0], at_least=0.01),))
    certificate, outcomes = run(slim, images, threats=THREATS[:1], demands=demands, prove=True)
    assert len(outcomes.proofs[0].proved) == certificate.result.data.num_images
    assert contradictions(certificate, outcomes) == ()


def test_any_change_of_the_proofs_contradicts(certified):
    """An image less, a fall less, one certified image less: it shows."""
    certificate, outcomes = certified
    first, second = outcomes.proofs
    place = int(np.flatnonzero(second.smoothed >= 0)[0])
    for name, row, value in (
        ("proved", int(first.proved.argmax()), False),
        ("smoothed", place, 1 - second.smoothed[place]),
    ):
        changed = getattr(second if name == "smoothed" else first, name).copy()
        changed[row] = value
        proofs = (first, dataclasses.replace(second, smoothed=changed))
        if name == "proved":
            proofs = (dataclasses.replace(first, proved=changed), second)
        assert contradictions(certificate, dataclasses.replace(outcomes, proofs=proofs))
    assert contradictions(certificate, dataclasses.replace(outcomes, proofs=()))


@pytest.mark.parametrize("change", ["shape", "unfounded", "other threat", "missing", "broken"])
def test_proofs_that_do_not_belong_together_are_refused(certified, change):
    """Other lengths, proved without a bound, other threats, an array that is gone, proved and broken."""
    arrays = dict(read_npz(certified[1].to_bytes()))
    if change == "shape":
        arrays["proved"] = arrays["proved"][:, 1:]
    if change == "unfounded":
        arrays["margin_bounds"] = np.full_like(arrays["margin_bounds"], np.nan)
    if change == "other threat":
        arrays["proofs"] = np.array(str(arrays["proofs"]).replace("linf:2/255", "linf:3/255"))
    if change == "broken":
        arrays["slim_broken"] = np.where(arrays["proved"], 1, arrays["slim_broken"]).astype(np.int16)
    if change == "missing":
        del arrays["smoothed"]
    with pytest.raises(EvidenceError, match="not a record of outcomes"):
        read_outcomes(npz_bytes(arrays))


@pytest.mark.slow
@pytest.mark.parametrize(("threat", "battery"), [("linf:0.06", "full"), ("l2:0.3", "standard")])
def test_what_is_proved_on_digits_survives_the_battery(threat, battery):
    """A small network trained here: many images are proved, and attacks break none of them, in either norm."""
    from compressor.certify.certify import certify
    from compressor.data import open_data, parse_preprocess

    data = open_data("digits", preprocess=parse_preprocess("none"))
    pixels, labels = data.train.read(range(len(data.train))), torch.from_numpy(data.train.labels)
    torch.manual_seed(0)
    head = (nn.Flatten(), nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 10))
    model = nn.Sequential(nn.Conv2d(1, 8, 4, 2, 1), nn.ReLU(), *head)
    adam = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-3)
    for _ in range(300):
        rows = torch.randint(len(labels), (128,))
        noisy = (pixels[rows] + 0.1 * torch.rand_like(pixels[rows]).sub(0.5).sign()).clamp(0, 1)
        adam.zero_grad()
        nn.functional.cross_entropy(model(noisy), labels[rows]).backward()
        adam.step()
    checkpoint = checkpoint_of(model, (1, 8, 8), 10)
    certificate, outcomes = certify(
        checkpoint,
        data.test.take(range(24)),
        threats=[parse_threat(threat)],
        battery=battery,
        prove=True,
        data_spec="digits",
        params=1,
        macs=1,
    )
    assert (outcomes.threats[0].slim[outcomes.proofs[0].proved] == STANDING).all()
    found = certificate.result.threats[0]
    assert 0.2 < found.proved_accuracy <= found.robust_accuracy
