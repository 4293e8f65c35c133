"""Interrupted anywhere and taken up again, training ends in the same bits."""

import random
from dataclasses import replace

import pytest
import torch
from finetune_digits import Killed, Killer, TinyNet, checkpoint_of, only_file

from compressor.errors import FinetuneError
from compressor.finetune import Recipe, finetune, loop

SHORT = Recipe(epochs=2, lr=0.1, batch_size=100, micro_batch=50)

RECIPES = {
    "plain": SHORT,
    "averaged, adamw": replace(SHORT, ema_decay=0.8, optimizer="adamw", lr=0.01),
    "adversarial": replace(SHORT, adversarial="linf:1/10", adversarial_steps=2, natural_share=0.5),
    "taught": replace(SHORT, distill_weight=0.9),
}


def numbers_of(history):
    """Return what a history says without its clock."""
    epochs = [replace(epoch, seconds=0.0, images_per_second=0.0) for epoch in history.epochs]
    return replace(history, created="", epochs=tuple(epochs))


@pytest.mark.parametrize("name", RECIPES)
def test_killed_and_resumed_equals_straight_through(name, data, fresh, teacher, tmp_path):
    """Killed at three places, within epochs and between them: the same weights, digest and history."""
    recipe, taught_by = RECIPES[name], teacher if name == "taught" else None
    straight, history = finetune(fresh, data, recipe, teacher=taught_by)
    state = tmp_path / "state"
    for after in sorted([6, *random.Random(name).sample(range(1, 12), 2)]):
        with pytest.raises(Killed):
            finetune(fresh, data, recipe, teacher=taught_by, state=state, progress=Killer(after))
        assert only_file(state).exists()
    resumed, again = finetune(fresh, data, recipe, teacher=taught_by, state=state)
    assert resumed.sha256 == straight.sha256
    for key, tensor in straight.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[key]), key
    assert numbers_of(again) == numbers_of(history)


def test_a_hard_kill_loses_only_what_was_not_saved(data, fresh, tmp_path, monkeypatch):
    """Killed in the middle of a step, training goes on from the last minute's state."""
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    straight, _ = finetune(fresh, data, SHORT)
    state = tmp_path / "state"
    step = torch.optim.SGD.step
    taken = []

    def failing(self, *arguments):
        taken.append(1)
        if len(taken) == 9:
            raise Killed
        return step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.SGD, "step", failing)
        with pytest.raises(Killed):
            finetune(fresh, data, SHORT, state=state)
    saved = torch.load(only_file(state), weights_only=True)
    assert (saved["epoch"], saved["step"]) == (1, 2)
    assert finetune(fresh, data, SHORT, state=state)[0].sha256 == straight.sha256


def test_a_finished_training_is_not_repeated(data, fresh, tmp_path, monkeypatch):
    """The same call again answers from the state, without a step."""
    state = tmp_path / "state"
    first, history = finetune(fresh, data, SHORT, state=state)
    monkeypatch.setattr(torch.optim.SGD, "step", lambda *_: pytest.fail("trained again"))
    second, again = finetune(fresh, data, SHORT, state=state)
    assert second.sha256 == first.sha256
    assert again.epochs == history.epochs


def test_another_training_has_a_state_of_its_own(data, fresh, teacher, tmp_path):
    """Another model, recipe, teacher or image: what differs is said, nothing is overwritten, and it is as if alone."""
    state, brief = tmp_path / "state", replace(SHORT, epochs=1)
    finetune(fresh, data, SHORT, state=state)
    first = only_file(state)
    content = first.read_bytes()
    fewer = replace(data, train=data.train.take(range(599)))
    cases = [
        (data, brief, None, "epochs 2 there, 1 here"),
        (data, replace(brief, seed=1), None, "seed 0 there, 1 here"),
        (fewer, brief, None, "other training images"),
        (data, brief, teacher, "other teacher"),
    ]
    for images, recipe, taught_by, difference in cases:
        straight, _ = finetune(fresh, images, recipe, teacher=taught_by)
        listener = Killer()
        found, _ = finetune(fresh, images, recipe, teacher=taught_by, state=state, progress=listener)
        assert difference in next(heard for heard in listener.heard if "of another training" in heard)
        assert found.sha256 == straight.sha256
    assert len(list(state.iterdir())) == 5
    assert first.read_bytes() == content
    other = Killer()
    finetune(checkpoint_of(TinyNet(4)), data, brief, state=state, progress=other)
    assert not any("another training" in heard for heard in other.heard)


def test_a_state_under_a_foreign_name_is_refused(data, fresh, tmp_path):
    """Renamed by hand it would be overwritten, so the run ends before it trains, and the file stays."""
    state = tmp_path / "state"
    finetune(fresh, data, SHORT, state=state)
    first = only_file(state)
    brief = replace(SHORT, epochs=1)
    finetune(fresh, data, brief, state=state)
    second = next(path for path in state.iterdir() if path != first)
    content = first.read_bytes()
    first.replace(second)
    with pytest.raises(FinetuneError, match="of another model, data or recipe") as caught:
        finetune(fresh, data, brief, state=state)
    assert "--work-dir" in caught.value.advice
    assert second.read_bytes() == content


@pytest.mark.parametrize("damage", [b"", b"not a state", None])
def test_a_damaged_state_is_not_used(damage, data, fresh, tmp_path):
    """An unreadable file is said and written anew."""
    state, recipe = tmp_path / "state", replace(SHORT, epochs=1)
    straight, _ = finetune(fresh, data, recipe, state=state)
    path = only_file(state)
    path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)
    listener = Killer()
    found, _ = finetune(fresh, data, recipe, state=state, progress=listener)
    assert any("not a readable training state" in heard for heard in listener.heard)
    assert found.sha256 == straight.sha256


class Dropping(TinyNet):
    """Draws from torch's global random state while it trains."""

    def forward(self, images):
        """(N, 1, 8, 8) -> (N, 10)."""
        return super().forward(torch.nn.functional.dropout(images, 0.2, training=self.training))


def test_dropout_does_not_depend_on_where_training_was_taken_up(data, tmp_path):
    """What is dropped belongs to the micro-batch; the global random state plays no part and stays as it was."""
    torch.manual_seed(2)
    start, state = checkpoint_of(Dropping()), tmp_path / "state"
    straight, _ = finetune(start, data, SHORT)
    with pytest.raises(Killed):
        finetune(start, data, SHORT, state=state, progress=Killer(4))
    torch.manual_seed(99)
    before = torch.get_rng_state()
    resumed, _ = finetune(start, data, SHORT, state=state)
    assert torch.equal(torch.get_rng_state(), before)
    assert resumed.sha256 == straight.sha256
    smooth = checkpoint_of(TinyNet())
    smooth.model.load_state_dict(start.model.state_dict())
    assert finetune(smooth, data, SHORT)[0].sha256 != straight.sha256
