"""Plans and histories are read for reports without torch, and say what the stages wrote."""

import json
import subprocess
import sys

import pytest
from real_bundle import Made

from compressor.errors import EvidenceError
from compressor.finetune.history import Epoch, History
from compressor.finetune.recipe import Recipe
from compressor.records import dump
from compressor.report import EpochPoint, LayerWidth
from compressor.report.stored import history_facts, plan_facts


def test_a_plan_says_what_was_before(made: Made) -> None:
    """Sizes of every plan; widths where it was carried out, in the order of the model."""
    facts = plan_facts(dump(made.chosen))
    assert facts.dense(7).params == made.chosen.before.params
    assert facts.dense(7).macs == made.chosen.before.macs
    assert (facts.dense(7).num_bytes, facts.layers) == (7, ())
    plain = json.loads(dump(made.chosen)) | {"widths": {"b": [4, 2], "a": [8, 0]}}
    assert plan_facts(json.dumps(plain).encode()).layers == (
        LayerWidth(name="b", before=4, after=2),
        LayerWidth(name="a", before=8, after=0),
    )


def test_a_history_says_its_epochs() -> None:
    """The state before is epoch 0."""
    epoch = Epoch(
        number=1, loss=0.5, train_accuracy=0.75, select_accuracy=0.8, select_robust_accuracy=None, teacher_share=None,
        learning_rate=0.1, seconds=1.0, images_per_second=10.0,
    )  # fmt: skip
    history = History(
        schema="compress.history/1", created="", tool_version="", recipe=Recipe(), model_sha256="", teacher_sha256=None,
        device="cpu", num_train=4, num_select=2, select_accuracy_before=0.25, select_accuracy_batchnorm=None,
        epochs=(epoch,), best_epoch=1, select_accuracy=0.8, select_robust_accuracy=None, notes=(),
    )  # fmt: skip
    assert history_facts(dump(history)).points == (
        EpochPoint(number=0, loss=None, train_accuracy=None, select_accuracy=0.25),
        EpochPoint(number=1, loss=0.5, train_accuracy=0.75, select_accuracy=0.8),
    )


@pytest.mark.parametrize("content", [b"", b"[]", b'{"before": {"params": 1}}'])
def test_other_files_are_refused(content: bytes) -> None:
    """One sentence, no traceback."""
    with pytest.raises(EvidenceError, match=r"plan\.json is not"):
        plan_facts(content)


def test_no_torch_is_needed() -> None:
    """A machine that only judges can read and compare what bundles say."""
    code = "import cli.reports, sys; assert not {'torch', 'numpy', 'onnxruntime', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
