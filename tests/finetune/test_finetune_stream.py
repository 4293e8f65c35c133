"""Images that do not fit into memory are trained on as if they did; unreadable ones are left out either way."""

from dataclasses import replace

import pytest
import torch
from finetune_digits import Killer

from compressor.errors import DataError, FinetuneError
from compressor.finetune import Recipe, finetune
from compressor.finetune import pixels as pixels_module
from compressor.finetune import stream as stream_module
from compressor.finetune.pixels import Pixels
from compressor.finetune.stream import Stream, workers_here
from compressor.progress import SILENT

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=2, lr=0.1, batch_size=100, micro_batch=50, augment="noise", mixup=0.2)


def damaged(images, broken):
    """Return the set as if some of its files could not be read."""
    reader = images.reader

    def read(wanted):
        for index in wanted:
            if index in broken:
                raise DataError(f"train/{index} cannot be read as an image", advice="replace the file")
        return reader(wanted)

    return replace(images, reader=read)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_streamed_training_ends_in_the_same_bits(num_workers, data, fresh, monkeypatch):
    """The same order, augmentation and mixing; two images are unreadable, in memory and in the stream."""
    some = replace(data, train=damaged(data.train, {3, 120}))
    held, history = finetune(fresh, some, RECIPE)
    monkeypatch.setattr(pixels_module, "MEMORY_LIMIT_BYTES", 100)
    monkeypatch.setattr(stream_module, "workers_here", lambda: num_workers)
    listener = Killer()
    streamed, again = finetune(fresh, some, RECIPE, progress=listener)
    assert streamed.sha256 == held.sha256
    assert again.skipped == history.skipped
    assert any("do not fit into memory" in heard for heard in listener.heard)


def test_unreadable_training_images_are_skipped_counted_and_listed(data, fresh):
    """As if they had never been there; the history lists each, and a person is told."""
    listener = Killer()
    tuned, history = finetune(fresh, replace(data, train=damaged(data.train, {0, 599})), RECIPE, progress=listener)
    without, _ = finetune(fresh, replace(data, train=data.train.take(range(1, 599))), RECIPE)
    assert tuned.sha256 == without.sha256
    assert history.num_train == 598
    assert [sentence.split()[0] for sentence in history.skipped] == ["train/0", "train/599"]
    assert any("2 training images" in note for note in history.notes)
    assert any("2 of 600" in heard and "train/0" in heard for heard in listener.heard)


def test_where_nothing_can_be_read_nothing_is_trained(data, fresh):
    """One image is not enough for BatchNorm."""
    with pytest.raises(FinetuneError, match="599 of 600") as caught:
        finetune(fresh, replace(data, train=damaged(data.train, set(range(599)))), RECIPE)
    assert caught.value.advice


def test_unreadable_select_images_stay_errors(data, fresh):
    """What judges must be whole."""
    with pytest.raises(DataError, match="train/7"):
        finetune(fresh, replace(data, select=damaged(data.select, {7})), RECIPE)


def test_images_known_to_be_readable_are_not_decoded_before_training(data, monkeypatch):
    """A cache has them; only the others are looked at, and only where the set does not stay in memory."""
    seen = []
    reader = data.train.reader

    def read(wanted):
        seen.extend(wanted)
        return reader(wanted)

    watched = replace(data.train, reader=read, knower=lambda index: index >= 5)
    monkeypatch.setattr(pixels_module, "MEMORY_LIMIT_BYTES", 100)
    Pixels(watched, device=CPU, progress=SILENT)
    assert seen == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_what_was_not_announced_is_read_at_once(num_workers, data):
    """Another batch in between does not disturb the order, and a new announcement replaces the old one."""
    stream = Stream(data.train, device=CPU, num_workers=num_workers)
    batches = [torch.tensor([5, 1]), torch.tensor([7]), torch.tensor([2, 3, 4])]
    for announced in (batches, batches[::-1]):
        stream.announce(announced)
        assert torch.equal(stream.read(announced[0]), data.train.read_uint8(announced[0].tolist()))
        assert torch.equal(stream.read(torch.tensor([9])), data.train.read_uint8([9]))
        assert torch.equal(stream.read(announced[1]), data.train.read_uint8(announced[1].tolist()))


def test_an_image_that_breaks_later_is_named(data):
    """The worker hands the error over; the sentence is the reader's own."""
    stream = Stream(damaged(data.train, {7}), device=CPU, num_workers=1)
    stream.announce([torch.tensor([6]), torch.tensor([7])])
    stream.read(torch.tensor([6]))
    with pytest.raises(DataError, match=r"^train/7 cannot be read as an image$"):
        stream.read(torch.tensor([7]))


def test_workers_leave_a_core_to_training(monkeypatch):
    """One for each core that is left, shared by the processes of a machine; none where none can be forked."""
    monkeypatch.setattr(stream_module.os, "sched_getaffinity", lambda _: set(range(6)))
    assert workers_here() == 5
    monkeypatch.setattr(stream_module, "num_local_processes", lambda: 3)
    assert workers_here() == 1
    monkeypatch.setattr(stream_module.multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    assert workers_here() == 0
