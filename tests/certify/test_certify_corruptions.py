"""Corruptions in a certificate: the same numbers whatever way the run went, and every one can be computed again."""

import dataclasses
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from certify_fakes import SHAPE, Stopped, StopsAfter, answered_by, bent, checkpoint_of, images_of, linear, run
from tiny_onnx import linear_onnx, random_weights

from compressor.attacks.threat import parse_threat
from compressor.certify import corrupting
from compressor.certify.certificate import Certificate
from compressor.certify.corrupting import corruption_outcome
from compressor.certify.demand import Demand, Demands
from compressor.certify.fleet import Fleet
from compressor.certify.intervals import IntervalMethod, Intervals
from compressor.certify.outcomes import contradictions, read_outcomes, recompute
from compressor.certify.statistics import mean_interval
from compressor.certify.twins import Twins
from compressor.certify.work import Party, seeds_of, work_on
from compressor.corruptions.spatial import rotated, translated, worst_cases
from compressor.corruptions.table import corrupt, plan_for
from compressor.errors import CertifyError, EvidenceError
from compressor.progress import SILENT
from compressor.records import dump, parse

BATTERY = '[[attack]]\nname = "fgsm"\n'
LARGE = (1, 9, 11)
"""Large enough for every worst case, and not square."""


@pytest.fixture
def how(tmp_path: Path):
    """Return the cheapest options of a certificate with corruptions."""
    battery = tmp_path / "battery.toml"
    battery.write_text(BATTERY)
    return {"battery": str(battery), "threats": [parse_threat("linf:1/255")], "corruptions": True}


@pytest.fixture(scope="module")
def scene():
    """Return a slim model, a dense one, and images of 9 x 11 that the slim one answers right, but for six."""
    slim, dense = linear(random_weights(LARGE, 5), LARGE), linear(random_weights(LARGE, 5, seed=1), LARGE)
    return slim, dense, answered_by(slim, num=30, shape=LARGE)


def same(first, second):
    """Say whether two runs found the same, to the last byte."""
    return dump(first[0].result) == dump(second[0].result) and first[1].to_bytes() == second[1].to_bytes()


@pytest.mark.slow
def test_every_number_is_that_of_the_plain_way(scene, how):
    """Each accuracy is that of the corrupted images answered one corruption at a time, and the means follow."""
    slim, dense, images = scene
    certificate, _ = run(slim, images, baseline=dense, **how)
    found, plan = certificate.result.corruptions, plan_for(LARGE)
    right = {}
    for title, model in (("slim", slim), ("dense", dense)):
        columns = []
        for planned in plan.each:
            shaken = corrupt(planned, images.read(range(30)), seeds_of(images, 0).tolist())
            with torch.no_grad():
                columns.append((model(shaken).argmax(1).numpy() == images.labels).astype(float))
        right[title] = np.stack(columns, axis=1)
    assert [(row.name, row.severity) for row in found.rows] == [(each.name, each.severity) for each in plan.each]
    assert [row.accuracy for row in found.rows] == pytest.approx(right["slim"].mean(0).tolist())
    assert [row.dense_accuracy for row in found.rows] == pytest.approx(right["dense"].mean(0).tolist())
    by_name = [np.mean([row.accuracy for row in found.rows if row.name == name]) for name in found.names]
    assert found.mean_accuracy == pytest.approx(np.mean(by_name)) == pytest.approx(right["slim"].mean())
    assert found.baseline.difference == pytest.approx((right["dense"] - right["slim"]).mean())
    low, high = found.mean_interval
    assert low < found.mean_accuracy < high
    assert [each.name for each in found.skipped] == ["zoom_blur", "frost"]
    assert found.worst == min(found.names, key=found.mean_of)
    assert "common corruptions" in certificate.result.claim


def test_the_worst_place_is_that_of_brute_force(scene, how):
    """An image counts where a plain loop over all places never finds it wrong."""
    slim, dense, images = scene
    outcome = run(slim, images, baseline=dense, **how)[1].corruptions
    pixels = images.read(range(30))
    patch = [
        torch.cat([pixels[:, :, :row], pixels[:, :, row : row + 4].clone(), pixels[:, :, row + 4 :]], dim=2)
        for row in range(6)
    ]
    covered = []
    for row, moved in enumerate(patch):
        for column in range(8):
            each = moved.clone()
            each[:, :, row : row + 4, column : column + 4] = 0
            covered.append(each)
    shifted = [translated(pixels, down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    turned = [rotated(pixels, float(angle)) for angle in range(-30, 31, 2)]
    for model, found in ((slim, outcome.worst_slim), (dense, outcome.worst_dense)):
        for column, grid in enumerate((covered, shifted, turned)):
            with torch.no_grad():
                wrong = [model(each).argmax(1).numpy() != images.labels for each in (pixels, *grid)]
            assert found[:, column].tolist() == (~np.any(wrong, axis=0)).tolist()


def test_any_batch_size_gives_the_same_bytes(how):
    """The flights differ, the result does not."""
    slim = bent()
    images = answered_by(slim, num=17)
    straight = run(slim, images, baseline=bent(7, seed=2), **how)
    for batch_size in (1, 5):
        assert same(run(slim, images, baseline=bent(7, seed=2), batch_size=batch_size, **how), straight)


@pytest.mark.slow
def test_an_interrupted_run_resumes_to_the_same_bytes(scene, how, tmp_path):
    """Stopped again and again, with other batch sizes, and with a damaged state file, the result is the same."""
    slim, dense, images = scene
    straight = run(slim, images, baseline=dense, **how)
    state, num_stops, found = tmp_path / "state", 0, None
    for number in range(1, 60):
        try:
            size, listener = 6 + number, StopsAfter(20 + 15 * number)
            found = run(slim, images, baseline=dense, batch_size=size, state=state, progress=listener, **how)
        except Stopped:
            num_stops += 1
            continue
        break
    assert num_stops >= 4
    assert same(found, straight)
    for path in sorted(state.rglob("*.npz"))[::7]:
        path.write_bytes(path.read_bytes()[:-9])
    assert same(run(slim, images, baseline=dense, state=state, **how), straight)


def test_a_finished_run_is_not_answered_again(how, tmp_path, monkeypatch):
    """State of the corruptions is used."""
    slim = bent()
    images = answered_by(slim, num=9)
    first = run(slim, images, state=tmp_path / "state", **how)
    monkeypatch.setattr(corrupting, "corrupt", None)
    monkeypatch.setattr(corrupting, "_endures", None)
    assert same(run(slim, images, state=tmp_path / "state", **how), first)


@pytest.mark.slow
def test_the_file_must_be_right_too(how):
    """An image that either of model and file answers wrong is wrong, under corruptions and in every place."""
    weights, other = random_weights(LARGE, 5), random_weights(LARGE, 5, seed=3)
    images = answered_by(linear(weights, LARGE), num=30, shape=LARGE)
    alone = run(linear(weights, LARGE), images, **how)[1].corruptions
    both = run(linear(weights, LARGE), images, artefact=linear_onnx(other, shape=LARGE), **how)[1].corruptions
    theirs = run(linear(other, LARGE), images, **how)[1].corruptions
    assert np.array_equal(both.slim, alone.slim & theirs.slim)
    assert np.array_equal(both.worst_slim, alone.worst_slim & theirs.worst_slim)
    assert both.slim.sum() < alone.slim.sum()


def test_what_was_written_can_be_read_and_computed_again(scene, how):
    """Certificate and outcomes come back, and give the same numbers; without corruptions there are none."""
    slim, dense, images = scene
    certificate, outcomes = run(slim, images, baseline=dense, **how)
    read = parse(dump(certificate), Certificate, source="certificate.json")
    again = read_outcomes(outcomes.to_bytes())
    assert read == certificate
    assert again.to_bytes() == outcomes.to_bytes()
    assert recompute(again).corruptions == certificate.result.corruptions
    assert contradictions(read, again) == ()
    plain = run(slim, images, **how | {"corruptions": False})
    assert plain[0].result.corruptions is None
    assert read_outcomes(plain[1].to_bytes()).corruptions is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("mean_accuracy", lambda found: replace(found, mean_accuracy=found.mean_accuracy + 0.01)),
        ("mean_interval[0]", lambda found: replace(found, mean_interval=(0.9, found.mean_interval[1]))),
        ("rows[3].accuracy", lambda found: replace(found, rows=_edited(found.rows, 3, accuracy=0.987))),
        ("rows[3].settings.rate", lambda found: replace(found, rows=_edited(found.rows, 5, settings={"rate": 1.0}))),
        ("worst_case[1].accuracy", lambda found: replace(found, worst_case=_edited(found.worst_case, 1, accuracy=1.0))),
        ("skipped", lambda found: replace(found, skipped=())),
        ("baseline.difference", lambda found: replace(found, baseline=replace(found.baseline, difference=0.0))),
        ("corruptions", lambda found: None),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_an_edited_number_is_found(scene, how, place, change):
    """Whatever is changed in the certificate contradicts the outcomes, by name."""
    slim, dense, images = scene
    certificate, outcomes = run(slim, images, baseline=dense, **how)
    result = replace(certificate.result, corruptions=change(certificate.result.corruptions))
    found = contradictions(replace(certificate, result=result), outcomes)
    assert len(found) == 1
    assert place.split(".")[0].split("[")[0] in found[0]


def _edited(rows, number, **changes):
    return (*rows[:number], replace(rows[number], **changes), *rows[number + 1 :])


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"corruption_slim": lambda array: array[:-1]},
        {"corruption_dense": lambda array: array[:, :-1]},
        {"worst_slim": lambda array: array[:, :1]},
        {"worst_dense": lambda array: array[:-1]},
        {"corruptions": lambda array: np.array("{}")},
        {"corruptions": lambda array: np.array("nothing")},
    ],
    ids=["fewer-images", "fewer-dense-images", "fewer-places", "fewer-dense-places", "no-record", "no-json"],
)
def test_arrays_that_do_not_fit_are_refused(scene, how, change):
    """Too few rows, too few columns, or words that say nothing: not a record of outcomes."""
    from compressor.archive import npz_bytes, read_npz

    slim, dense, images = scene
    arrays = read_npz(run(slim, images, baseline=dense, **how)[1].to_bytes())
    ((name, edit),) = change.items()
    with pytest.raises(EvidenceError, match="not a record of outcomes"):
        read_outcomes(npz_bytes(arrays | {name: edit(arrays[name])}))


@pytest.mark.slow
def test_looking_early_gives_intervals_that_allow_it(scene, how):
    """Under a demand the mean's interval is a confidence sequence, on the images that were looked at."""
    slim, dense, images = scene
    plain = run(slim, images, baseline=dense, **how)[0].result.corruptions
    demands = Demands(each=(Demand(threat=None, at_least=0.1),), min_images=1)
    certificate, outcomes = run(slim, images, baseline=dense, demands=demands, **how)
    found = certificate.result.corruptions
    assert (plain.interval_method, found.interval_method) == ("normal", "confidence-sequence")
    assert found.num_images == certificate.result.data.num_images
    assert found.mean_interval[0] < plain.mean_interval[0] < plain.mean_interval[1] < found.mean_interval[1]
    assert contradictions(certificate, outcomes) == ()


def test_the_normal_interval_is_agresti_and_coulls_on_shares():
    """On zeros and ones: two successes and failures fewer than theirs, by hand; and never without a width."""
    values = np.array([1.0] * 70 + [0.0] * 30)
    middle, width = 71 / 102, 1.959964 * math.sqrt(71 / 102 * 31 / 102 / 102)
    assert mean_interval(values, 0.95) == pytest.approx((middle - width, middle + width), abs=1e-6)
    low, high = mean_interval(np.ones(200), 0.95)
    assert 0.97 < low < 0.99 < high == 1.0
    assert mean_interval(np.full(50, -1.0), 0.95, least=-1.0)[0] == -1.0
    for confidence in (0.1, 0.5, 0.99):
        low, high = mean_interval(np.ones(3), confidence)
        assert low <= 1.0 <= high


@pytest.mark.parametrize("method", list(IntervalMethod))
@pytest.mark.parametrize("shape", [(0.5, 0.5), (4.0, 1.0), (0.05, 0.6)])
def test_intervals_on_means_hold_what_is_true(method, shape):
    """Over 400 samples of shares with a known mean, an interval misses at most as often as it says, and some more."""
    random = np.random.default_rng(0)
    truth = shape[0] / sum(shape)
    intervals = Intervals(method=method, confidence=0.95)
    misses = 0
    for _ in range(400):
        shares, others = random.beta(*shape, size=(2, 150))
        low, high = intervals.mean(shares)
        least, most = intervals.mean_difference(others - shares)
        misses += not (low <= truth <= high) or not (least <= 0 <= most)
    assert misses <= 0.10 * 400 + 3 * math.sqrt(400 * 0.1 * 0.9)


def test_a_sequence_on_means_holds_at_every_time():
    """Looked at after every tenth image, the true mean is missed at any time in at most 5 % of runs."""
    random = np.random.default_rng(1)
    intervals = Intervals(method=IntervalMethod.CONFIDENCE_SEQUENCE, confidence=0.95)
    misses = 0
    for _ in range(150):
        shares = random.choice([0.0, 0.4, 1.0], p=[0.2, 0.5, 0.3], size=300)
        bounds = [intervals.mean(shares[:num]) for num in range(10, 301, 10)]
        misses += any(not low <= 0.5 <= high for low, high in bounds)
    assert misses <= 0.05 * 150


def test_published_arrays_need_a_model_that_takes_them(how, tmp_path):
    """Another size or number of classes is refused before any file is opened."""
    slim = bent()
    with pytest.raises(CertifyError, match="3x32x32 in 10 classes, and the model takes 1x6x6"):
        run(slim, answered_by(slim, num=9), corruptions_from=tmp_path, **how)


def test_published_pictures_are_answered_as_they_are():
    """Each column is what the model answers to those pictures, with their labels; shifts are of the certificate's."""
    shape = (3, 32, 32)
    weights = random_weights(shape, 10)
    model = linear(weights, shape)
    checkpoint = checkpoint_of(model, shape, 10)
    pictures = _Pictures()
    images = images_of(torch.rand(4, *shape), torch.tensor([0, 1, 2, 3]))
    work = work_on(images, seed=0, device="cpu", fleet=Fleet(3), state=None, progress=SILENT)
    with Twins(checkpoint, None) as twins:
        party = Party(title="slim", twins=twins, identity={"model": "x"})
        found = corruption_outcome(work, (party, np.zeros(4, dtype=np.bool_)), None, pictures=pictures)
    with torch.no_grad():
        wanted = [
            model(pictures.read(each, np.arange(7))).argmax(1).numpy() == pictures.labels for each in pictures.each
        ]
    assert (found.source, found.source_sha256) == ("published", "ab" * 32)
    assert np.array_equal(found.slim, np.stack(wanted, axis=1))
    assert not found.worst_slim.any()
    assert found.worst_slim.shape == (4, len(worst_cases(shape)[0]))


class _Pictures:
    """Seven pictures, other ones for each corruption."""

    labels = np.arange(7, dtype=np.int64)
    numbers = np.arange(7, dtype=np.int64) * 11
    sha256 = "ab" * 32

    def __init__(self):
        self.plan = dataclasses.replace(plan_for((3, 32, 32)), skipped=())
        self.each = self.plan.each

    def read(self, planned, rows):
        """Return random pictures that belong to the corruption."""
        generator = torch.Generator().manual_seed(len(planned.name) * 10 + planned.severity)
        return torch.rand(7, 3, 32, 32, generator=generator)[rows]


def test_tiny_images_have_no_worst_place(how):
    """At 6 pixels the shifts are skipped with their reason, and noise and light are still tried."""
    slim = bent()
    found = run(slim, answered_by(slim, num=9), **how)[0].result.corruptions
    assert tuple(SHAPE) == (1, 6, 6)
    assert found.worst_case == ()
    assert {"occlusion", "translation", "rotation", "frost", "snow"} <= {each.name for each in found.skipped}
    assert found.names == ("gaussian_noise", "shot_noise", "impulse_noise", "brightness", "contrast")
