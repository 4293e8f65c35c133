"""The script that travels with a bundle, so that the target machine needs numpy and onnxruntime only.

It is kept as `replay.py.txt` beside this file: it must run alone on Python 3.8, so nothing here imports it.
"""

from importlib.resources import files


def replay_script() -> bytes:
    """Return the content of `replay.py`."""
    return files("compressor.bundle").joinpath("replay.py.txt").read_bytes()
