"""Stopping as soon as the verdict is certain."""

import numpy as np
import pytest
from certify_fakes import Stopped, StopsAfter, answered_by, bent, checkpoint_of, run

from compressor.attacks.threat import parse_threat
from compressor.certify.battery import read_battery
from compressor.certify.campaign import fight_all, fight_until_certain, in_random_order
from compressor.certify.certificate import Certificate
from compressor.certify.demand import Demand, Demands
from compressor.certify.fleet import Fleet
from compressor.certify.outcomes import contradictions, read_outcomes
from compressor.certify.work import party, work_on
from compressor.errors import OptionError
from compressor.progress import SILENT
from compressor.records import dump, parse

FAR, NEAR = parse_threat("linf:64/255"), parse_threat("linf:1/255")
NEVER = Demands(each=(Demand(threat=NEAR, at_least=0.9),), min_images=10_000)
"""Nothing passes on so few images, and a model that stands does not fail."""


@pytest.fixture(scope="module")
def scene():
    """Return a slim model, a dense one and 230 images: the fifth look sees only 30 new ones."""
    slim = bent()
    return slim, bent(17, seed=1), answered_by(slim, num=230)


def test_in_parts_or_at_once(scene):
    """Images attacked 50 at a time end as they do when attacked together: breaks, passes and kept images."""
    slim, dense, images = scene
    work = work_on(in_random_order(images, 3), seed=3, device="cpu", fleet=Fleet(64), state=None, progress=SILENT)
    parties = [
        party(name, checkpoint_of(model, images.shape), None, device="cpu", threads=1)
        for name, model in (("slim", slim), ("dense", dense))
    ]
    how = {"threats": [NEAR, FAR], "battery": read_battery("quick"), "audit": 0, "confidence": 0.95}
    with parties[0].twins, parties[1].twins:
        whole = fight_all(work, *parties, **how)
        parts = fight_until_certain(work, *parties, demands=NEVER, **how)
    assert parts.decided_after is None
    assert np.array_equal(parts.reply.shipped, whole.reply.shipped)
    for one, other in zip(parts.fights, whole.fights, strict=True):
        for mine, theirs in ((one.slim, other.slim), (one.dense, other.dense)):
            assert np.array_equal(mine.broken_by, theirs.broken_by)
            assert (mine.num_forward, mine.num_backward) == (theirs.num_forward, theirs.num_backward)
        assert one.flags == other.flags
        assert one.slim.gallery.shown() == other.slim.gallery.shown()
        for index, exhibit in one.slim.gallery.exhibits.items():
            assert np.array_equal(exhibit.image, other.slim.gallery.exhibits[index].image)


def test_a_hopeless_model_is_known_after_one_look(scene):
    """A model that falls at once is certified on 50 images, with intervals that allow it, and the gate can tell."""
    slim, _, images = scene
    demands = Demands(each=(Demand(threat=FAR, at_least=0.9),))
    certificate, outcomes = run(slim, images, threats=[FAR], demands=demands)
    (threat,) = certificate.result.threats
    assert certificate.result.data.num_images == threat.decided_after == 50
    assert {certificate.result.interval_method, threat.interval_method} == {"confidence-sequence"}
    assert threat.interval[1] < 0.9
    assert "looking early" in certificate.result.claim
    assert contradictions(certificate, read_outcomes(outcomes.to_bytes())) == ()
    assert parse(dump(certificate), Certificate, source="test") == certificate


def test_duplicates_are_those_of_the_images_that_were_attacked(scene):
    """Of all images that stand in the training images too, those not attacked before the verdict do not count."""
    slim, _, images = scene
    demands = Demands(each=(Demand(threat=FAR, at_least=0.9),))
    duplicates = {images.digest(index) for index in range(0, 230, 2)}
    early, outcomes = run(slim, images, threats=[FAR], demands=demands, duplicates=duplicates)
    assert early.result.data.num_images == 50
    num_seen = sum(int(name.removeprefix("test/")) % 2 == 0 for name in outcomes.names)
    assert early.result.data.duplicates_with_train == num_seen < 50
    whole, _ = run(slim, images.take(range(60)), duplicates=duplicates)
    assert whole.result.data.duplicates_with_train == 30


def test_undecided_uses_every_image(scene):
    """Where nothing becomes certain, all images are used and the intervals stay those of looking early."""
    slim, dense, images = scene
    demands = Demands(each=(Demand(threat=None, most_drop=0.999),), min_images=1000)
    certificate, _ = run(slim, images, threats=[NEAR], baseline=dense, demands=demands)
    assert certificate.result.data.num_images == 230
    assert certificate.result.threats[0].decided_after is None
    assert certificate.result.interval_method == "confidence-sequence"


def test_the_order_is_random_but_fixed(scene):
    """It depends on the seed and the images, not on the order in which they come."""
    _, _, images = scene
    names = in_random_order(images, 0).names
    assert sorted(names) == sorted(images.names) != list(names)
    assert in_random_order(images.take(range(229, -1, -1)), 0).names == names
    assert in_random_order(images, 1).names != names


def test_an_interrupted_run_stops_at_the_same_image(scene, tmp_path):
    """State is kept within a look; the resumed run has the same bytes."""
    slim, dense, images = scene
    demands = Demands(each=(Demand(threat=FAR, at_least=0.5), Demand(threat=None, most_drop=0.5)), min_images=150)
    how = {"threats": [NEAR, FAR], "baseline": dense, "demands": demands}
    straight = run(slim, images, **how)
    num_stops = 0
    for number in range(1, 100):
        try:
            found = run(slim, images, state=tmp_path, batch_size=7 + number, progress=StopsAfter(25 * number), **how)
        except Stopped:
            num_stops += 1
            continue
        break
    assert num_stops >= 2
    assert dump(found[0].result) == dump(straight[0].result)
    assert found[1].to_bytes() == straight[1].to_bytes()


def test_a_drop_needs_a_baseline(scene):
    """Nothing to compare with: said before any work."""
    slim, _, images = scene
    with pytest.raises(OptionError, match="none to compare with"):
        run(slim, images, threats=[FAR], demands=Demands(each=(Demand(threat=None, most_drop=0.1),)))
