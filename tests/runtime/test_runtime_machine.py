"""What machine this is, and what its doctor says."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from compressor.runtime import checks, doctor, host, versions
from compressor.runtime.gpu import GpuMemory, cuda_device_name, gpu_clocks, gpu_memory, read_driver
from compressor.runtime.libraries import loaded_versions, spelled_cuda, spelled_cudnn
from compressor.runtime.machine import clocks, free_memory_bytes, memory_bytes, num_cores
from compressor.runtime.memory import peak_growth
from compressor.runtime.needed import is_older, lowest_versions
from compressor.runtime.quiet import quiet


def test_host_is_described_without_naming_it():
    """Processor, cores, memory and system are known; the name of the machine is nobody's business."""
    found = host()
    assert set(found) == {"cpu", "cores", "memory_bytes", "os", "gpu", "driver"}
    assert found["cpu"]
    assert found["cores"] == num_cores() >= 1
    assert 0 < free_memory_bytes() <= memory_bytes()
    assert platform.node() not in str(found)


def test_versions_are_those_installed():
    """Python, torch and exactly one onnxruntime are listed."""
    found = versions()
    assert {"python", "torch", "onnx", "numpy"} <= set(found)
    assert any(name.startswith("onnxruntime") for name in found)


def test_asking_what_machine_this_is_loads_nothing_heavy():
    """Importing the room, and asking it for host and versions, imports neither torch nor onnxruntime."""
    code = (
        "import sys; from compressor.runtime import host, versions; host(); versions(); "
        "sys.exit(sum(name in sys.modules for name in ('torch', 'onnx', 'onnxruntime')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_gpu_is_an_answer():
    """Without a driver there is None and an empty name, not an exception; with one, both name the GPU."""
    driver = read_driver()
    assert (driver is None) == (cuda_device_name() == "")


def test_doctor_runs_the_cpu_and_has_a_fix_for_each_gap():
    """Every check has a name and a finding; the CPU provider really ran; a gap comes with its command."""
    found = {check.name: check for check in checks()}
    assert found["provider cpu"].ok
    assert found["provider cpu"].found.startswith("runs on ")
    for check in found.values():
        assert check.found
        assert bool(check.fix) == (not check.ok)


def test_doctor_sees_two_distributions(monkeypatch):
    """Both onnxruntime distributions at once is a gap whose command removes both first."""
    monkeypatch.setattr(doctor, "installed_distributions", lambda: ("onnxruntime", "onnxruntime-gpu"))
    monkeypatch.setattr(doctor, "installed_version", lambda name: "1.30.0")
    check = doctor._onnxruntime()
    assert not check.ok
    assert "uninstall" in check.fix


@pytest.mark.parametrize(
    ("version", "ok", "found"),
    [(None, False, "not installed"), ("1.9.9", False, "1.9.9 is too old: 1.20 is needed"), ("1.20", True, "1.20")],
)
def test_doctor_sees_a_library_that_is_missing_or_too_old(monkeypatch, version, ok, found):
    """The lowest version is the one that the installation declares, and the command asks for it."""
    monkeypatch.setattr(doctor, "installed_version", lambda name: version)
    monkeypatch.setattr(doctor, "lowest_versions", lambda: {"onnx": "1.20"})
    check = doctor._library("onnx")
    assert (check.ok, check.found) == (ok, found)
    assert check.fix.endswith("" if ok else "install --upgrade 'onnx>=1.20'")


def test_every_library_that_the_doctor_looks_at_is_declared():
    """With its lowest version, if this is an installation at all."""
    assert not lowest_versions() or set(doctor.LIBRARIES) <= set(lowest_versions())


@pytest.mark.parametrize(
    ("version", "lowest", "older"),
    [("1.9", "1.20", True), ("1.20", "1.20.0", False), ("2.14.1+cu130", "2.14.1", False), ("1.20rc1", "1.20.1", True)],
)
def test_versions_are_compared_by_their_numbers(version, lowest, older):
    """Not as text, and without what stands behind the numbers."""
    assert is_older(version, lowest) == older


@pytest.mark.parametrize(("free", "ok"), [(1 << 30, False), (70 << 30, True)])
def test_doctor_sees_a_full_gpu(monkeypatch, free, ok):
    """Free memory of each GPU is told; where no GPU has two GiB left there is something to do."""
    monkeypatch.setattr(doctor, "gpu_memory", lambda: (GpuMemory(total_bytes=80 << 30, free_bytes=free),))
    check = doctor._gpu_memory()
    assert (check.ok, bool(check.fix)) == (ok, not ok)
    assert check.found == f"{free >> 30}.0 of 80.0 GiB free"


def test_doctor_sees_a_file_in_the_way(monkeypatch, tmp_path: Path):
    """A cli.py in the current folder shadows our package; ours alone does not."""
    assert doctor._package("cli").ok
    (tmp_path / "cli.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    check = doctor._package("cli")
    assert not check.ok
    assert str(tmp_path / "cli.py") in check.fix


def test_doctor_sees_another_compress(monkeypatch, tmp_path: Path):
    """The old Unix program of that name, first on PATH, is a gap."""
    other = tmp_path / "compress"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    check = doctor._command()
    assert not check.ok
    assert "another program" in check.found
    assert check.fix.startswith("export PATH=")


def test_quiet_hears_everything_and_shows_nothing(capfd):
    """Prints and what a child of the process or C++ writes to descriptor 2 are held back, and kept."""
    with quiet() as heard:
        sys.stdout.write("printed")
        sys.stderr.write("complained")
        os.write(2, b"written by C++\n")
    assert all(words in heard.text for words in ("printed", "complained", "written by C++"))
    assert capfd.readouterr() == ("", "")


def test_quiet_gives_everything_back(capfd):
    """After an exception too, standard error is as it was."""
    with pytest.raises(ValueError, match="inside"), quiet():
        raise ValueError("inside")
    sys.stderr.write("after")
    assert "after" in capfd.readouterr().err


def test_what_sets_the_pace_is_said_as_far_as_it_is_known():
    """The load of the machine always; frequencies where the system tells them, as whole MHz."""
    found = clocks()
    assert float(found["load_average"]) >= 0
    assert all(isinstance(found[key], int) and found[key] > 0 for key in found if key.endswith("_mhz"))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the high-water mark")
@pytest.mark.parametrize("before", [0, 30_000_000])
def test_peak_of_memory_is_what_was_taken(before):
    """Twenty million bytes that were written and freed inside count, whatever was freed before, to a tenth."""
    bytearray(before).count(0)
    with peak_growth("host") as growth:
        bytearray(b"1" * 20_000_000).clear()
    assert growth.peak_bytes is not None
    assert 20_000_000 * 0.9 < growth.peak_bytes < 44_000_000


def test_memory_of_no_gpu_is_unknown():
    """Without a driver there is nothing to read, and no clock, which is an answer."""
    if read_driver() is None:
        with peak_growth("gpu") as growth:
            pass
        assert growth.peak_bytes is None
        assert (gpu_memory(), gpu_clocks()) == ((), {})


def test_versions_are_spelled_as_their_makers_do():
    """CUDA counts in thousands and tens, cuDNN in ten thousands and hundreds; only what is loaded is listed."""
    assert (spelled_cuda(13020), spelled_cuda(12080)) == ("13.2", "12.8")
    assert spelled_cudnn(91002) == "9.10.2"
    assert set(loaded_versions()) <= {"cuda", "cuda-driver", "cudnn", "tensorrt"}
