"""What is left without a layer: known in advance, measured by hand, and the same after a kill."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sensitivity_nets import Blocked, Brightness, brightness_data, checkpoint_of, data_of, image_set
from torch import nn

from compressor.attacks.fgsm import fgsm
from compressor.attacks.model import AttackedModel
from compressor.attacks.threat import parse_threat
from compressor.data import Data
from compressor.errors import DataError, PruneError
from compressor.evaluate import evaluate
from compressor.load.checkpoint import Checkpoint
from compressor.load.cifar_resnet import CifarResNet
from compressor.progress import Silent, Step
from compressor.prune import plan, slim, trace_coupling
from compressor.prune.slim import masked
from compressor.records import dump, parse
from compressor.sensitivity import Sensitivity, measure_sensitivity
from compressor.sensitivity.measure import DENSE
from compressor.sensitivity.record import layers_of
from compressor.task import Place
from compressor.types import Structure

TENTH = parse_threat("linf:1/10")


class Killed(Exception):
    """Somebody pulled the plug."""


class Killer(Silent):
    """Stops the work after so many models; remembers how many there were to measure."""

    def __init__(self, after: int | None = None) -> None:
        self.after = after
        self.totals: list[int | None] = []
        self.notes: list[str] = []

    @contextmanager
    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> Iterator[Step]:
        """Count advances of the stage that measures."""
        if unit == "model":
            self.totals.append(total)
        yield self

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Stop when it is time to; reading images does not count."""
        if ":" in note:
            self.notes.append(note)
        if self.after is not None and len(self.notes) >= self.after:
            raise Killed


def without_date(record: Sensitivity) -> Sensitivity:
    """Return the record without the one field that differs between equal runs."""
    return replace(record, created="")


@pytest.fixture(scope="module")
def resnet() -> tuple[Checkpoint, Data]:
    """Return a random network and images that it answers right, three quarters of them: the rest are labelled wrong."""
    torch.manual_seed(3)
    checkpoint = checkpoint_of(CifarResNet(8, in_channels=1, width=8), (1, 12, 12), num_classes=10)
    pixels = torch.randint(0, 256, (48, 1, 12, 12), dtype=torch.uint8)
    answers = evaluate(checkpoint.classifier(), image_set(pixels, [0] * 48, num_classes=10)).predictions
    labels = np.where(np.arange(48) % 4 == 0, (answers + 1) % 10, answers)
    return checkpoint, data_of(image_set(pixels, labels.tolist(), num_classes=10))


def test_units_of_zeros_cost_nothing_and_the_decisive_one_costs_all() -> None:
    """Without dead units all stays as it was; without the one that carries the answer, everything is called dark."""
    record = measure_sensitivity(checkpoint_of(Brightness()), brightness_data(), threat=TENTH)
    assert (record.accuracy, record.fgsm_accuracy) == (0.9, 0.5)
    rows = {(row.group, row.ratio): row for row in record.rows}
    assert set(rows) == {(group, ratio) for group in ("first", "second") for ratio in (0.25, 0.5, 0.75)}
    for ratio, num in ((0.25, 1), (0.5, 2), (0.75, 3)):
        dead, decisive = rows["first", ratio], rows["second", ratio]
        assert dead.num_removed == decisive.num_removed == num
        assert (dead.accuracy, dead.fgsm_accuracy) == (0.9, 0.5)
        # Nothing depends on the image any more, so no attack can change it either.
        assert (decisive.accuracy, decisive.fgsm_accuracy) == (0.6, 0.6)
    first, second = layers_of(record, Structure.FILTERS)
    assert (first.mean_drop, first.mean_fgsm_drop) == (0.0, 0.0)
    assert second.mean_drop == pytest.approx(0.3)


def test_each_block_leaves_alone() -> None:
    """A block that adds nothing costs nothing; without the one that doubles, everything is called dark."""
    record = measure_sensitivity(checkpoint_of(Blocked()), brightness_data(), threat=TENTH)
    still, vital = [row for row in record.rows if row.structure is Structure.BLOCKS]
    assert (still.group, vital.group) == ("blocks.0", "blocks.1")
    assert (still.accuracy, still.fgsm_accuracy) == (record.accuracy, record.fgsm_accuracy) == (0.9, 0.5)
    assert (vital.accuracy, vital.fgsm_accuracy) == (0.6, 0.6)
    assert still.layers == ("blocks.0.conv",)
    assert (still.num_units, still.num_removed, still.ratio) == (1, 1, 1.0)
    # stem 1 x 2, two blocks 2 x 2, each at 16 places, and 2 x 2 for the answer
    assert still.macs_saved_fraction == pytest.approx(4 * 16 / (2 * 16 + 8 * 16 + 4))


def test_a_row_is_what_plan_slim_and_the_attack_by_hand_say(resnet: tuple[Checkpoint, Data]) -> None:
    """Each cut is the one that `plan` makes there; FGSM is run on the masked model and the slim one, as on any."""
    checkpoint, data = resnet
    threat = parse_threat("linf:1/255")
    record = measure_sensitivity(checkpoint, data, threat=threat, ratios=(0.5,))
    images = data.need("select")
    clean, labels = images.read(range(len(images))), torch.from_numpy(images.labels)
    seeds = torch.arange(len(images))

    def by_hand(made: nn.Module) -> tuple[float, float]:
        right = evaluate(made, images).right
        with AttackedModel(made, shape=images.shape) as model:
            found = fgsm(model, clean, labels, threat=threat, seeds=seeds)
            stands = (model.logits(found, seeds).argmax(1) == labels).numpy()
        return right.mean(), (right & stands).mean()

    graph, everywhere = trace_coupling(checkpoint.model, checkpoint.input_shape), plan(checkpoint, ratio=0.5)
    rows = [row for row in record.rows if row.structure is Structure.FILTERS]
    assert len(rows) == len(everywhere.leaving()) >= 4
    for row in rows:
        leaving = {row.group: everywhere.leaving()[row.group]}
        dense = replace(checkpoint, model=masked(checkpoint.model, graph, leaving))
        assert (row.accuracy, row.fgsm_accuracy) == by_hand(dense.classifier())
        assert row.num_removed == len(leaving[row.group])
    row = next(row for row in rows if row.group == "layer1.0.conv1")
    chosen = plan(checkpoint, ratio=0.5, keep=tuple(other.group for other in rows if other is not row))
    assert (row.accuracy, row.fgsm_accuracy) == by_hand(slim(checkpoint, chosen).classifier())
    assert row.macs_saved_fraction == pytest.approx(1 - chosen.after.macs / chosen.before.macs)
    assert row.params_saved_fraction == pytest.approx(1 - chosen.after.params / chosen.before.params)
    assert record.accuracy == 0.75
    assert any(row.fgsm_accuracy < row.accuracy < record.accuracy for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 4])
def test_killed_and_resumed_equals_straight_through(
    after: int, resnet: tuple[Checkpoint, Data], tmp_path: Path
) -> None:
    """Nothing that was measured is measured again, and the record is the same."""
    checkpoint, data = resnet
    straight = measure_sensitivity(checkpoint, data, ratios=(0.5,))
    place = Place(work_dir=tmp_path)
    with pytest.raises(Killed):
        measure_sensitivity(checkpoint, data, ratios=(0.5,), place=place, progress=Killer(after))
    listener = Killer()
    resumed = measure_sensitivity(checkpoint, data, ratios=(0.5,), place=place, progress=listener)
    different = {(row.structure, row.group, row.num_removed) for row in straight.rows}
    assert listener.totals == [len(different) + 1 - after]
    assert without_date(resumed) == without_date(straight)
    again = Killer()
    assert without_date(
        measure_sensitivity(checkpoint, data, ratios=(0.5,), place=place, progress=again)
    ) == without_date(straight)
    assert again.totals == [0]


def test_a_damaged_or_foreign_state_is_not_used(resnet: tuple[Checkpoint, Data], tmp_path: Path) -> None:
    """An unreadable file is measured anew; another threat, sample or weight never meets this one's state."""
    checkpoint, data = resnet
    place = Place(work_dir=tmp_path)
    straight = measure_sensitivity(checkpoint, data, ratios=(0.5,), place=place)
    (folder,) = (tmp_path / "sensitivity").iterdir()
    (folder / f"{DENSE}.npz").write_bytes(b"no archive")
    listener = Killer()
    assert without_date(
        measure_sensitivity(checkpoint, data, ratios=(0.5,), place=place, progress=listener)
    ) == without_date(straight)
    assert [note.partition(":")[0] for note in listener.notes] == [DENSE]
    other = CifarResNet(8, in_channels=1, width=8)
    strangers = [
        (checkpoint, {"threat": TENTH}),
        (checkpoint, {"num_images": 40}),
        (replace(checkpoint, model=other.eval()), {}),
    ]
    for number, (model, changes) in enumerate(strangers):
        with pytest.raises(Killed):
            measure_sensitivity(model, data, ratios=(0.5,), place=place, progress=Killer(1), **changes)
        assert len(list((tmp_path / "sensitivity").iterdir())) == number + 2


def test_a_cut_that_two_ratios_share_is_measured_once(tmp_path: Path) -> None:
    """Two ratios that rounding makes one, and a criterion that ranks alike, are the same models."""
    checkpoint, data = checkpoint_of(Brightness()), brightness_data()
    listener = Killer()
    record = measure_sensitivity(checkpoint, data, ratios=(0.5, 0.51), progress=listener)
    assert listener.totals == [3]
    assert [row.num_removed for row in record.rows] == [2, 2, 2, 2]
    place, again = Place(work_dir=tmp_path), Killer()
    measure_sensitivity(checkpoint, data, place=place)
    measure_sensitivity(checkpoint, data, criterion="l2", place=place, progress=again)
    assert again.totals == [0]


def test_flights_and_repetition_change_nothing(resnet: tuple[Checkpoint, Data]) -> None:
    """Images in flight are no setting of the result, and the dense model is left as it was."""
    checkpoint, data = resnet
    weights = {name: tensor.clone() for name, tensor in checkpoint.model.state_dict().items()}
    first = measure_sensitivity(checkpoint, data, ratios=(0.5,))
    second = measure_sensitivity(checkpoint, data, ratios=(0.5,), place=Place(batch_size=7))
    assert without_date(first) == without_date(second)
    assert all(torch.equal(weights[name], tensor) for name, tensor in checkpoint.model.state_dict().items())
    assert all(parameter.requires_grad for parameter in checkpoint.model.parameters())


def test_the_sample_is_seeded_and_stratified(resnet: tuple[Checkpoint, Data]) -> None:
    """A smaller sample of another seed is of other images; the record says which it was."""
    checkpoint, data = resnet
    records = [measure_sensitivity(checkpoint, data, ratios=(0.5,), num_images=24, seed=seed) for seed in (0, 1, 0)]
    assert [record.num_images for record in records] == [24, 24, 24]
    assert records[0].data_sha256 == records[2].data_sha256 != records[1].data_sha256
    assert (records[0].role, records[1].seed) == ("select", 1)


def test_the_record_reads_back(resnet: tuple[Checkpoint, Data]) -> None:
    """What is written is what is read, strictly."""
    checkpoint, data = resnet
    record = measure_sensitivity(checkpoint, data, ratios=(0.5,), num_images=10)
    assert record.schema == "compress.sensitivity/1"
    assert parse(dump(record), Sensitivity, source="here") == record


def test_what_rounding_keeps_is_said() -> None:
    """A group that loses nothing at a ratio has no row there, and stands among what was not measured."""
    record = measure_sensitivity(checkpoint_of(Blocked()), brightness_data(), ratios=(0.1, 0.5))
    assert [row.ratio for row in record.rows if row.structure is Structure.FILTERS] == [0.5]
    assert ("stem", "rounding keeps all of its units at ratio 0.1") in [
        (left.name, left.reason) for left in record.left_out
    ]


def test_what_cannot_be_measured_is_refused() -> None:
    """Without select images, with no ratio or a wrong one, an unknown criterion, or nothing to prune."""
    checkpoint, data = checkpoint_of(Brightness()), brightness_data()
    with pytest.raises(DataError, match="no select images"):
        measure_sensitivity(checkpoint, replace(data, select=None))
    with pytest.raises(PruneError, match="no ratio"):
        measure_sensitivity(checkpoint, data, ratios=())
    with pytest.raises(PruneError, match="not in"):
        measure_sensitivity(checkpoint, data, ratios=(0.5, 50))
    with pytest.raises(PruneError, match="l3"):
        measure_sensitivity(checkpoint, data, criterion="l3")
    with pytest.raises(PruneError, match="no layer of this model can be pruned alone"):
        measure_sensitivity(checkpoint_of(nn.Sequential(nn.Flatten(), nn.Linear(16, 2))), data)
