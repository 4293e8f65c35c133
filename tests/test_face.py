"""The face of the library: its names, sorted, and each the verb it says."""

import subprocess
import sys

import pytest

import compressor


def test_names_are_sorted_and_there() -> None:
    """Every name of `__all__` can be had."""
    assert compressor.__all__ == sorted(compressor.__all__)
    for name in compressor.__all__:
        assert callable(getattr(compressor, name)), name


@pytest.mark.slow
def test_a_package_does_not_hide_the_verb_of_its_name() -> None:
    """`compressor.load` stays the function when `compressor.load` the package was imported first."""
    code = "import compressor.load.checkpoint, compressor.finetune, compressor.verify, compressor\n"
    code += "assert all(callable(getattr(compressor, n)) for n in ('load', 'finetune', 'verify', 'certify', 'bench'))"
    subprocess.run([sys.executable, "-c", code], check=True)
