"""Any checkpoint becomes a `Checkpoint`: files are read without running them, architectures are recognised or built by
name, and slim checkpoints are written and rebuilt from integers and weights.
"""

from compressor.load.architectures import build
from compressor.load.checkpoint import Checkpoint, sha256_of_weights
from compressor.load.cifar_resnet import CifarResNet, PadShortcut
from compressor.load.identify import Identified, identify
from compressor.load.labels import read_labels
from compressor.load.load import load
from compressor.load.slim_file import file_bytes, save_slim, slim_bytes

__all__ = [
    "Checkpoint",
    "CifarResNet",
    "Identified",
    "PadShortcut",
    "build",
    "file_bytes",
    "identify",
    "load",
    "read_labels",
    "save_slim",
    "sha256_of_weights",
    "slim_bytes",
]
