"""Known networks the whole way: recognised, pruned, saved, reloaded bit for bit, exported. And the table says so."""

from pathlib import Path

import pytest
import torchvision

from benchmarks.cover import Limits, cover
from benchmarks.coverage import TABLE, read_rows
from benchmarks.coverage_row import Row
from benchmarks.coverage_table import page
from benchmarks.zoo import TIMM, torchvision_zoo

FAMILIES = (
    "squeezenet1_1",
    "shufflenet_v2_x0_5",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "regnet_x_400mf",
    "efficientnet_b0",
    "resnet18",
    "densenet121",
    "convnext_tiny",
    "swin_t",
    "alexnet",
)
"""One small member of each of twelve families."""

BESIDE_THE_MODEL = 32 * 2**20
"""Bytes that planning and cutting any network may take besides three times the dense model: following the graph."""


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_a_known_network_goes_all_the_way(name: str, tmp_path: Path) -> None:
    """Before it is cut it has the parameters and multiply-adds that torchvision publishes; afterwards it has fewer."""
    row = cover(f"torchvision:{name}", tmp_path)
    assert row.refused is None
    assert row.identified == f"torchvision:{name}"
    assert row.before is not None
    assert row.after is not None
    published = next(iter(torchvision.models.get_model_weights(name))).meta
    assert row.before.params == published["num_params"]
    assert row.before.macs / 1e9 == pytest.approx(published["_ops"], abs=0.0006)
    assert row.after.params < row.before.params
    assert row.after.macs < row.before.macs
    assert row.bit_equal
    assert row.parity == "passed"
    assert row.bytes_onnx is not None
    # Four bytes a parameter, and a graph without the source paths of the machine that wrote it. A batch norm that was
    # folded into its convolution leaves one bias where there were a scale and a shift: one number less for each filter.
    stored = 4 * (row.after.params - row.after.filters)
    assert stored <= row.bytes_onnx <= 4 * row.after.params + 2_000_000


@pytest.mark.slow
@pytest.mark.timm
@pytest.mark.parametrize(("name", "millions"), [("tinynet_e", 2.04), ("deit_tiny_patch16_224", 5.72)])
def test_a_network_of_timm_goes_all_the_way(name: str, millions: float, tmp_path: Path) -> None:
    """The name that timm's training script leaves in the file is enough; parameters are those that timm publishes."""
    row = cover(f"timm:{name}", tmp_path)
    assert row.refused is None
    assert row.is_whole()
    assert row.identified == f"timm:{name}"
    assert row.before is not None
    assert row.before.params / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "limits", "sentence"),
    [
        ("torchvision:resnet999", Limits(), "make: there is no architecture torchvision:resnet999"),
        ("torchvision:resnet18", Limits(seconds=0.01), "make: took more than 0.01 s"),
        ("torchvision:resnet18", Limits(memory_bytes=2**20), "make: "),
    ],
)
def test_a_failure_becomes_a_row(architecture: str, limits: Limits, sentence: str, tmp_path: Path) -> None:
    """An unknown name, no time and no memory end one network, and the row says at which station and why."""
    row = cover(architecture, tmp_path, limits=limits)
    assert row.refused is not None
    assert row.refused.startswith(sentence)
    assert not row.is_whole()


def test_every_network_has_its_row() -> None:
    """All classifiers of the installed torchvision, and the chosen ones of timm, were measured; none is forgotten."""
    assert {*torchvision_zoo(), *(f"timm:{name}" for name in TIMM)} <= {row.model for row in read_rows()}


def test_the_page_is_what_the_rows_say() -> None:
    """Nobody edited docs/coverage.md by hand."""
    assert TABLE.read_text() == page(read_rows())


@pytest.mark.parametrize("row", read_rows(), ids=lambda row: row.model)
def test_a_row_holds_or_says_why_not(row: Row) -> None:
    """Each was recognised as what it is and came back bit for bit, and its file agrees; or one sentence says why."""
    if row.refused is not None:
        assert row.refused.partition(": ")[2]
        return
    assert row.identified == row.model
    assert row.bit_equal
    assert row.parity in (None, "passed")
    assert row.plan_seconds is not None
    assert row.slim_seconds is not None
    limit = 5 if row.model == "torchvision:resnet50" else 60
    assert row.plan_seconds + row.slim_seconds < limit
    assert row.memory_multiple is not None
    assert row.bytes_dense is not None
    assert row.memory_multiple * row.bytes_dense <= 3 * row.bytes_dense + BESIDE_THE_MODEL
