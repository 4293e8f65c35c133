"""One small checkpoint and its file for all tests of this room: exporting costs seconds."""

import pytest
import torch
from export_nets import small_resnet

from compressor.export.onnx import export_onnx
from compressor.load.checkpoint import Checkpoint


@pytest.fixture(scope="session")
def made() -> tuple[Checkpoint, bytes]:
    """Return a residual network of eight layers and its ONNX file."""
    torch.manual_seed(0)
    checkpoint = small_resnet()
    return checkpoint, export_onnx(checkpoint, checkpoint_sha256="ab" * 32)
