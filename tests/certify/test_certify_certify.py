"""The verb: the worst case per image, on both twins, whatever way the run went."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from certify_fakes import SHAPE, Stopped, StopsAfter, answered_by, bent, checkpoint_of, images_of, linear, run
from tiny_onnx import linear_onnx, random_weights

from compressor.attacks.threat import parse_threat
from compressor.certify.battery import BATTERIES, Assault, Battery
from compressor.certify.certificate import Certificate, digest_of_result
from compressor.certify.certify import certify
from compressor.certify.outcomes import contradictions
from compressor.certify.siege import STANDING, WRONG
from compressor.errors import CertifyError, OptionError
from compressor.export.form import Form
from compressor.export.onnx import export_onnx
from compressor.files import sha256_of_bytes
from compressor.records import dump, parse
from compressor.types import InputForm

THREATS = [parse_threat("linf:3/255"), parse_threat("l2:0.2"), parse_threat("linf:8/255")]


BRIEF = """
[[attack]]
name = "fgsm"
[[attack]]
name = "margin"
num_steps = 4
num_targets = 2
[[attack]]
name = "apgd-targeted"
num_steps = 5
num_targets = 2
[[attack]]
name = "square"
num_queries = 6
"""
"""A battery in which each kind of state occurs."""


def same(first, second):
    """Say whether two runs found the same, to the last byte."""
    pairs = zip(dataclasses.astuple(first[1].replay), dataclasses.astuple(second[1].replay), strict=True)
    return (
        dump(first[0].result) == dump(second[0].result)
        and first[1].to_bytes() == second[1].to_bytes()
        and all(np.array_equal(one, other) for one, other in pairs)
    )


@pytest.fixture(scope="module")
def scene():
    """Return a slim model, a dense one and images that the slim one answers right, but for six."""
    slim = bent()
    return slim, bent(17, seed=1), answered_by(slim)


def test_a_certificate_says_what_was_found(scene):
    """Counts fit together, the digest is right, and the record reads back."""
    slim, dense, images = scene
    certificate, outcomes = run(slim, images, threats=THREATS, battery="standard", baseline=dense)
    result = certificate.result
    assert certificate.result_sha256 == digest_of_result(result)
    assert parse(dump(certificate), Certificate, source="test") == certificate
    assert contradictions(certificate, outcomes) == ()
    assert (result.artefact.kind, result.artefact.sha256) == ("torch", result.model.sha256)
    assert result.clean_accuracy == 0.9
    assert [each.epsilon for each in result.threats] == ["1/85", "1/5", "8/255"]
    for each, outcome in zip(result.threats, outcomes.threats, strict=True):
        assert [attack.name for attack in each.attacks][:3] == ["transfer", "fgsm", "apgd"]
        standing = int(0.9 * len(images))
        for attack in each.attacks:
            assert attack.num_attempted == standing
            standing -= attack.num_broken
        assert each.robust_accuracy == standing / len(images)
        assert each.interval[0] < each.robust_accuracy < each.interval[1]
        assert each.num_forward >= each.num_backward > 0
        assert int((outcome.slim == WRONG).sum()) == 6
    assert result.threats[2].robust_accuracy <= result.threats[0].robust_accuracy
    assert "not a proof" in result.claim
    assert result.baseline.clean_accuracy == pytest.approx((outcomes.dense_answers == images.labels).mean())


def test_an_audit_looks_at_survivors(scene, monkeypatch):
    """The full battery meets that many survivors, or all; what it finds stands beside the answer, with an interval."""
    from compressor.certify import fights

    slim, _, images = scene
    strong = Battery(name="full", attacks=(Assault(name="margin"), Assault(name="square", settings={"num_queries": 9})))
    monkeypatch.setattr(fights, "BATTERIES", {**BATTERIES, "full": strong})
    certificate, outcomes = run(slim, images, threats=THREATS[::2], audit=25)
    for each, outcome in zip(certificate.result.threats, outcomes.threats, strict=True):
        assert each.audit.num_audited == min(25, (outcome.slim == STANDING).sum())
        assert 0 <= each.audit.num_broken < each.audit.num_audited
        assert each.audit.interval[0] <= each.audit.num_broken / each.audit.num_audited <= each.audit.interval[1]
        assert f"broke {each.audit.num_broken} of {each.audit.num_audited} random survivors" in certificate.result.claim


@pytest.mark.parametrize("options", [{"batch_size": 3}, {"batch_size": 17}, {"batch_size": 1000}])
def test_the_way_of_running_changes_nothing(scene, options, tmp_path):
    """Batch size, number of threads, and whether state is kept."""
    slim, dense, images = scene
    straight = run(slim, images, threats=THREATS[1:], baseline=dense)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3 - min(threads, 2))
        assert same(run(slim, images, threats=THREATS[1:], baseline=dense, state=tmp_path, **options), straight)
    finally:
        torch.set_num_threads(threads)


def test_an_interrupted_run_ends_as_a_straight_one(scene, tmp_path):
    """Stopped again and again, with other batch sizes, and with a damaged file: the same bytes."""
    slim, dense, images = scene
    path = tmp_path / "brief.toml"
    path.write_text(BRIEF)
    state = tmp_path / "state"
    how = {"threats": THREATS[:2], "baseline": dense, "battery": path}
    straight = run(slim, images, **how)
    num_stops = 0
    for number in range(1, 200):
        try:
            found = run(slim, images, batch_size=5 + number, state=state, progress=StopsAfter(3 + 9 * number), **how)
        except Stopped:
            num_stops += 1
            continue
        break
    assert num_stops >= 2
    assert same(found, straight)
    some = sorted(state.rglob("*.npz"))
    some[len(some) // 2].write_bytes(b"damaged")
    some[1].write_bytes(some[1].read_bytes()[:-9])
    assert same(run(slim, images, state=state, **how), straight)


def test_state_is_used(scene, tmp_path, monkeypatch):
    """A finished run is not attacked again."""
    from compressor.certify import siege

    slim, _, images = scene
    straight = run(slim, images, threats=THREATS, state=tmp_path)
    monkeypatch.setattr(siege, "run_attack", None)
    assert same(run(slim, images, threats=THREATS, state=tmp_path), straight)


@pytest.mark.parametrize("change", ["seed", "model", "images", "threat", "battery"])
def test_another_run_begins_anew(scene, tmp_path, change):
    """State of another seed, model, image set, threat or battery is not used."""
    slim, _, images = scene
    how = {"threats": THREATS[:1], "battery": "quick", "seed": 0}
    run(slim, images, state=tmp_path, **how)
    if change == "model":
        slim = bent(seed=5)
    if change == "images":
        images = images.take(range(40))
    how |= {"seed": 1} if change == "seed" else {}
    how |= {"threats": THREATS[2:]} if change == "threat" else {}
    how |= {"battery": "standard"} if change == "battery" else {}
    assert same(run(slim, images, state=tmp_path, **how), run(slim, images, **how))


@pytest.mark.parametrize("name", ["numpy", "onnxruntime", "torch", "torchattacks", "torchvision", "cpu", "machine"])
def test_another_library_or_processor_begins_anew(monkeypatch, tmp_path, name):
    """Their answers may differ in the last bits, and no file would be of one kind."""
    from compressor.certify import state

    installed = {"torch": "2.14", "torchvision": "0.29", "numpy": "2.4", "onnxruntime": "1.31", "torchattacks": "3.5"}
    found = {**installed, "scipy": "1.17", "cpu": "Xeon", "machine": "x86_64"}
    monkeypatch.setattr(state, "computed_by", state.computed_by.__wrapped__)
    monkeypatch.setattr(state, "versions", lambda: {key: found[key] for key in (*installed, "scipy")})
    monkeypatch.setattr(state, "processor_name", lambda: found["cpu"])
    monkeypatch.setattr(state.platform, "machine", lambda: found["machine"])
    before = state.Store(tmp_path, {"what": "clean"}).folder
    found["scipy"] = "1.18"  # answers no image
    assert state.Store(tmp_path, {"what": "clean"}).folder == before
    found[name] += ".1"
    assert state.Store(tmp_path, {"what": "clean"}).folder != before


def test_the_battery_is_at_least_as_strong_as_each_attack(scene, tmp_path):
    """What any attack breaks alone, the battery breaks."""
    slim, _, images = scene
    _, whole = run(slim, images, threats=THREATS[1:], battery="standard")
    for number, attack in enumerate(BATTERIES["standard"].attacks):
        path = tmp_path / f"{number}.toml"
        lines = [f"{key} = {json.dumps(value)}" for key, value in attack.settings.items()]
        path.write_text("\n".join(["[[attack]]", f'name = "{attack.name}"', *lines]))
        _, alone = run(slim, images, threats=THREATS[1:], battery=path)
        for all_of, one in zip(whole.threats, alone.threats, strict=True):
            assert not ((one.slim >= 0) & (all_of.slim == STANDING)).any()


def test_a_linear_model_stands_exactly_as_far_as_it_can():
    """Two classes: robust accuracy is the share of images whose distance is at least epsilon."""
    weights = random_weights(SHAPE, 2)
    model = linear(weights)
    pixels = 0.3 + 0.4 * torch.rand(80, *SHAPE)
    logits = model(pixels).detach().double()
    gap = weights[:, 0].astype(np.float64) - weights[:, 1]
    distance = ((logits[:, 0] - logits[:, 1]).abs() / np.abs(gap).sum()).numpy()
    images = images_of(pixels, logits.argmax(1))
    checkpoint = dataclasses.replace(checkpoint_of(model), num_classes=2)
    epsilon = round(float(np.median(distance)), 3)
    given = {"threats": [parse_threat(f"linf:{epsilon}")], "data_spec": "x", "params": 1, "macs": 1}
    certificate, outcomes = certify(checkpoint, images, **given)
    clear = np.abs(distance / epsilon - 1) > 0.005
    assert np.array_equal((outcomes.threats[0].slim == STANDING)[clear], (distance > epsilon)[clear])
    assert 0.1 < certificate.result.threats[0].robust_accuracy < 0.9


def test_wrong_on_the_file_alone_is_wrong():
    """The file answers a little differently: it counts, on clean and on adversarial images."""
    weights = random_weights(SHAPE, 5)
    other = weights + 0.1 * random_weights(SHAPE, 5, seed=1)
    model, file = linear(weights), linear_onnx(other, shape=SHAPE)
    images = answered_by(model, wrong=0)
    certificate, outcomes = run(model, images, threats=THREATS[:1], battery="standard", artefact=file)
    _, torch_only = run(model, images, threats=THREATS[:1], battery="standard")
    pixels = images.read(range(len(images))).flatten(1).numpy()
    shipped = (pixels @ other).argmax(1)
    assert certificate.result.artefact.kind == "onnx"
    assert certificate.result.artefact.sha256 == sha256_of_bytes(file)
    assert certificate.result.clean_accuracy == pytest.approx((shipped == images.labels).mean())
    assert np.array_equal(outcomes.threats[0].slim == WRONG, shipped != images.labels)
    stands, alone = outcomes.threats[0].slim == STANDING, torch_only.threats[0].slim == STANDING
    assert not (stands & ~alone).any()
    assert (alone & ~stands & (outcomes.threats[0].slim != WRONG)).any()
    assert contradictions(certificate, outcomes) == ()


def test_an_attack_that_asks_for_answers_asks_the_file(tmp_path):
    """A twin that says the same to everything hides all; random search on the file itself is not misled by it."""
    weights = random_weights(SHAPE, 5)
    everything = torch.rand(300, *SHAPE, generator=torch.Generator().manual_seed(3))
    answers = (everything.flatten(1).numpy() @ weights).argmax(1)
    common = int(np.bincount(answers).argmax())
    constant = linear(np.zeros_like(weights))
    constant[1].bias = torch.nn.Parameter(torch.eye(5)[common])
    pixels = everything[torch.from_numpy(answers == common)]
    images = images_of(pixels, torch.full((len(pixels),), common))
    battery = tmp_path / "battery.toml"
    broken = {}
    for num_queries in (1, 200):
        battery.write_text(f'[[attack]]\nname = "square"\nnum_queries = {num_queries}\n')
        _, outcomes = run(
            constant,
            images,
            threats=[parse_threat("linf:0.1")],
            battery=str(battery),
            artefact=linear_onnx(weights, shape=SHAPE),
        )
        broken[num_queries] = int((outcomes.threats[0].slim != STANDING).sum())
    assert broken[200] > broken[1] + len(images) // 4


def test_a_file_that_takes_raw_frames_is_asked_in_bytes():
    """Each value is rounded to a byte before the file, and the certificate says so."""
    model = bent()
    checkpoint = checkpoint_of(model)
    frames = export_onnx(checkpoint, Form(input_form=InputForm.UINT8_NHWC))
    images = answered_by(model)
    certificate, outcomes = run(model, images, threats=THREATS[:1], artefact=frames)
    pixels = images.read(range(len(images)))
    with torch.no_grad():
        expected = model((pixels * 255).round() / 255).numpy()
    np.testing.assert_allclose(outcomes.logits, expected, atol=1e-5)
    assert certificate.result.artefact.takes_frames
    assert "each value of an image was rounded to the nearest byte" in certificate.result.claim
    assert contradictions(certificate, outcomes) == ()


def test_replay_images_are_the_most_telling(scene):
    """Up to 32 per threat, inside the ball, with the answers that were given to them."""
    weights = random_weights(SHAPE, 5)
    model, file = linear(weights), linear_onnx(weights, shape=SHAPE)
    images = answered_by(model, num=150)
    threats = THREATS[::2]
    _, outcomes = run(model, images, threats=threats, battery="standard", artefact=file)
    replay = outcomes.replay
    assert set(replay.threats) == {str(threat) for threat in threats}
    assert all(replay.threats.count(str(threat)) <= 32 for threat in threats)
    answers = (replay.images.reshape(len(replay.images), -1) @ weights).argmax(1)
    assert np.array_equal(answers, replay.shipped_answers)
    assert np.array_equal(answers, replay.twin_answers)
    broke = replay.twin_answers != replay.labels
    assert 8 <= broke.sum() < len(broke)
    clean = images.read(range(len(images))).numpy()
    for image, threat in zip(replay.images, replay.threats, strict=True):
        nearest = np.abs(clean - image).max(axis=(1, 2, 3)).min()
        assert nearest <= parse_threat(threat).radius


def test_without_threats_there_is_a_curve_and_no_claim(scene):
    """In both norms, whether or not there is a dense model, and the words that nothing is claimed."""
    slim, dense, images = scene
    certificate, outcomes = run(slim, images, baseline=dense)
    result = certificate.result
    assert result.threats == ()
    assert {point.norm for point in result.curve} == {"linf", "l2"}
    assert "nothing is claimed" in result.claim
    assert result.baseline.threats == ()
    assert result.baseline.transfer is None
    assert contradictions(certificate, outcomes) == ()


def test_epsilons_stay_exact(scene):
    """The threat is written as it was given, in lowest terms."""
    slim, _, images = scene
    threats = [parse_threat("linf:0.03"), parse_threat("linf:2/510"), parse_threat("linf:1/255")]
    certificate, _ = run(slim, images, threats=threats)
    assert [each.epsilon for each in certificate.result.threats] == ["3/100", "1/255"]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"confidence": 1.0}, OptionError, "confidence"),
        ({"batch_size": 0}, OptionError, "batch size"),
        ({"audit": -1}, OptionError, "audit"),
        ({"audit": 5, "threats": []}, OptionError, "no survivors to audit"),
        ({"battery": "strongest"}, OptionError, "neither known nor a file"),
        ({"artefact": linear_onnx(random_weights((1, 5, 5), 5), shape=(1, 5, 5))}, CertifyError, "takes images"),
        ({"artefact": linear_onnx(random_weights(SHAPE, 4), shape=SHAPE)}, CertifyError, "4 classes"),
        ({"artefact": linear_onnx(random_weights(SHAPE, 5), shape=SHAPE, kind="uint8")}, CertifyError, "takes images"),
        ({"baseline": checkpoint_of(bent(), num_classes=6)}, CertifyError, "6 classes"),
    ],
)
def test_what_cannot_be_certified_is_refused(scene, options, error, words):
    """One sentence, before anything is attacked."""
    slim, _, images = scene
    with pytest.raises(error, match=words):
        run(slim, images, **{"threats": THREATS, **options})


def test_images_that_do_not_fit_are_refused(scene):
    """No image, a label outside the classes, another size."""
    slim, _, images = scene
    with pytest.raises(CertifyError, match="no images"):
        run(slim, images.take([]), threats=THREATS)
    labels = torch.from_numpy(images.labels.copy())
    labels[3] = 5
    with pytest.raises(CertifyError, match="label 5"):
        run(slim, images_of(images.read(range(60)), labels), threats=THREATS)


def test_nothing_right_is_nothing_robust():
    """A model that is always wrong stands at zero, and the checks have nothing to look at."""
    slim = bent()
    images = answered_by(slim, num=20, wrong=20)
    certificate, _ = run(slim, images, threats=THREATS[:1], battery="standard", audit=2)
    assert certificate.result.threats[0].robust_accuracy == 0.0
    assert certificate.result.threats[0].audit is None


def test_the_model_is_called_by_its_title_and_nothing_else_changes(scene):
    """A control is not called slim while one watches; the result is the same."""
    slim, _, images = scene
    heard = []

    class Listens(StopsAfter):
        def stage(self, name, *, total=None, unit=""):
            heard.append(name)
            return super().stage(name, total=total, unit=unit)

    named = run(slim, images, threats=THREATS[:1], title="control", progress=Listens(-1))
    assert same(named, run(slim, images, threats=THREATS[:1]))
    assert heard == ["answer clean images (control)", "attack linf:1/85 (control)"]
