"""Several processes share a step: what they find is what one finds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from finetune_digits import Killer, TinyNet
from torch import distributed

from compressor.errors import CertifyError, MachineError
from compressor.finetune import Recipe, finetune
from compressor.finetune import judge as judge_module
from compressor.finetune.judge import judge
from compressor.runtime.crew import Crew

HERE = Path(__file__).resolve().parent

SCRIPT = """
import json, sys
from pathlib import Path
sys.path[:0] = [{root!r}, {here!r}]
import torch
from finetune_digits import TinyNet, checkpoint_of, digits
from test_finetune_crew import Dropping, recorded, RECIPES
from compressor.finetune import finetune
from compressor.runtime.crew import joined

torch.set_num_threads(1)
with joined() as crew:
    for name, recipe in RECIPES.items():
        with recorded() as losses:
            torch.manual_seed(1)
            teacher = checkpoint_of(TinyNet(16))
            torch.manual_seed(2)
            tuned, history = finetune(checkpoint_of(Dropping()), digits(), recipe, teacher=teacher, crew=crew)
        found = dict(size=crew.size, losses=losses, scores=[epoch.select_accuracy for epoch in history.epochs],
                     weights=[tensor.double().flatten().tolist() for tensor in tuned.model.state_dict().values()])
        Path({out!r}, f"{{name}}-{{crew.size}}-{{crew.rank}}.json").write_text(json.dumps(found))
"""

NATURAL = Recipe(epochs=4, lr=0.1, batch_size=96, micro_batch=32)
RECIPES = {
    "natural": NATURAL,
    "adversarial": Recipe(
        epochs=4, lr=0.1, batch_size=96, micro_batch=32, adversarial="linf:1/10", adversarial_steps=2, ema_decay=0.9
    ),
}


class Dropping(TinyNet):
    """Drops some pixels while it trains."""

    def forward(self, images):
        """(N, 1, 8, 8) -> (N, 10)."""
        return super().forward(torch.nn.functional.dropout(images, 0.1, training=self.training))


class recorded:  # noqa: N801 - a context, like those of contextlib
    """Notes the mean loss of every step."""

    def __enter__(self) -> list[float]:
        from compressor.finetune.tally import Watch

        losses: list[float] = []
        self.see = see = Watch.see

        def noted(watch, loss):
            losses.append(float(loss))
            see(watch, loss)

        Watch.see = noted
        return losses

    def __exit__(self, *_: object) -> None:
        from compressor.finetune.tally import Watch

        Watch.see = self.see


@pytest.mark.slow
def test_two_processes_train_as_one_does(tmp_path):
    """Three micro-batches a step, so one process has two of them: losses within 1e-4 for more than twenty steps."""
    script = tmp_path / "shared.py"
    script.write_text(SCRIPT.format(root=str(HERE.parents[1]), here=str(HERE), out=str(tmp_path)))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for start in ([sys.executable], torchrun):
        subprocess.run([*start, str(script)], check=True, capture_output=True, timeout=300)
    for name in RECIPES:
        one, first, second = (
            json.loads((tmp_path / f"{name}-{which}.json").read_text()) for which in ("1-0", "2-0", "2-1")
        )
        assert (one["size"], first["size"], second["size"]) == (1, 2, 2)
        assert first == second
        assert len(one["losses"]) == len(first["losses"]) >= 20
        assert first["losses"][:20] == pytest.approx(one["losses"][:20], abs=1e-4)
        assert first["scores"] == pytest.approx(one["scores"], abs=0.02)
        for found, expected in zip(first["weights"], one["weights"], strict=True):
            assert found == pytest.approx(expected, abs=2e-2)


@pytest.mark.parametrize("size", [2, 3, 8, 9])
def test_every_select_image_is_answered_by_one_process(size, data, fresh, monkeypatch):
    """None is dropped and none repeated; shares are whole chunks, so that every answer keeps its bits."""
    recipe = Recipe(adversarial="linf:1/10", adversarial_steps=1)
    how = {"recipe": recipe, "device": torch.device("cpu")}
    alone = judge(fresh.classifier(), data.select, **how)
    read = []
    original = judge_module.evaluate

    def noted(classifier, images, **more):
        read.extend(images.names)
        return original(classifier, images, **more)

    counts: list[list[int]] = [[], []]
    monkeypatch.setattr(judge_module, "evaluate", noted)
    for rank in range(size):
        calls = iter(counts)
        monkeypatch.setattr(Crew, "gathered", lambda _, found, calls=calls: next(calls).append(found) or [found])
        judge(fresh.classifier(), data.select, crew=Crew(rank=rank, size=size), **how)
    assert sorted(read) == sorted(data.select.names)
    assert sum(counts[0]) / len(data.select) == alone.accuracy
    assert sum(counts[1]) / len(data.select) == alone.robust_accuracy


def test_an_answer_that_is_no_number_stops_all(data, fresh, monkeypatch):
    """The process that did not see it stops too, instead of waiting for ever."""
    monkeypatch.setattr(Crew, "gathered", lambda _, found: [found, "the model answers NaN"])
    with pytest.raises(CertifyError, match="answers NaN"):
        judge(fresh.classifier(), data.select, recipe=Recipe(), device=torch.device("cpu"), crew=Crew(rank=0, size=2))


@pytest.mark.parametrize("call", ["gathered", "told", "summed"])
def test_a_process_that_is_gone_is_said_in_plain_words(call, monkeypatch):
    """What the network says means nothing to a user; running out of memory is passed on as it is."""
    crew, value = Crew(rank=0, size=2), torch.zeros(1)
    for error, expected in (
        (RuntimeError("Connection closed by peer [127.0.0.1]:1"), MachineError),
        (torch.OutOfMemoryError("CUDA out of memory"), torch.OutOfMemoryError),
    ):

        def failing(*_, error=error, **__):
            raise error

        for name in ("all_gather_object", "broadcast_object_list", "all_reduce"):
            monkeypatch.setattr(distributed, name, failing)
        with pytest.raises(expected) as caught:
            getattr(crew, call)(value)
        assert expected is not MachineError or "another process" in str(caught.value)


def test_processes_without_work_are_told_of(data, fresh, monkeypatch):
    """A batch of one micro-batch cannot be shared: said before training begins."""
    listener = Killer()
    monkeypatch.setattr(Crew, "told", lambda _, value: value)
    monkeypatch.setattr(Crew, "summed", lambda _, tensor: tensor)
    monkeypatch.setattr(Crew, "gathered", lambda _, value: [value])
    crew = Crew(rank=0, size=3)
    finetune(fresh, data, Recipe(epochs=1, batch_size=64, micro_batch=64), crew=crew, progress=listener)
    (told,) = [heard for heard in listener.heard if "idle" in heard]
    assert "2 of 3 processes will be idle, for a step is 1 x 64 images" in told
    assert "a batch of 192 images or micro-batches of 22 would keep all busy" in told
