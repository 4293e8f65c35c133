"""onnxruntime's log becomes one sentence and one command."""

import pytest

from compressor.errors import MachineError
from compressor.runtime import providers
from compressor.runtime.providers import check_available, first_reason, why_not_loaded

CUDA_LOG = (
    "\x1b[1;31m2026-11-23 01:17:53.502883045 [E:onnxruntime:Default, provider_bridge_ort.cc:2458 operator()] "
    "/onnxruntime_src/onnxruntime/core/session/provider_bridge_ort.cc:2043 onnxruntime::Provider& "
    "onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load library "
    "/site-packages/onnxruntime/capi/libonnxruntime_providers_cuda.so with error: {}: cannot open shared object file: "
    "No such file or directory\n\x1b[m"
)


@pytest.fixture(autouse=True)
def _one_distribution(monkeypatch):
    monkeypatch.setattr(providers, "installed_distributions", lambda: ("onnxruntime-gpu",))


@pytest.mark.parametrize(
    ("log", "reason", "advice"),
    [
        (CUDA_LOG.format("libcurand.so.10"), "libcurand.so.10 is missing", "onnxruntime-gpu[cuda,cudnn]"),
        (CUDA_LOG.format("libcudnn.so.9"), "libcudnn.so.9 is missing", "onnxruntime-gpu[cuda,cudnn]"),
        (CUDA_LOG.format("libcublasLt.so.13"), "libcublasLt.so.13 is missing", "onnxruntime-gpu[cuda,cudnn]"),
        (CUDA_LOG.format("libcuda.so.1"), "libcuda.so.1 is missing", "NVIDIA driver"),
        (CUDA_LOG.format("libnvinfer.so.10"), "libnvinfer.so.10 is missing", "TensorRT"),
        ("CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version", "too old", "NVIDIA driver"),
        ("CUDA failure 100: no CUDA-capable device is detected ; GPU=-1", "finds no GPU", "--provider cpu"),
        ("Failed to allocate memory for requested buffer of size 8", "too little free memory", "--batch"),
        ("something new", "something new", "compress doctor"),
        ("", "gave no reason", "compress doctor"),
    ],
)
def test_each_reason_has_its_advice(log, reason, advice):
    """What was missing is named, and what repairs it."""
    error = why_not_loaded("cuda", log)
    assert reason in error.message
    assert advice in error.advice


def test_two_distributions_explain_everything(monkeypatch):
    """Installed together, one has overwritten the other: no other reason matters."""
    monkeypatch.setattr(providers, "installed_distributions", lambda: ("onnxruntime", "onnxruntime-gpu"))
    error = why_not_loaded("cuda", CUDA_LOG.format("libcurand.so.10"))
    assert "both installed" in error.message
    assert "uninstall -y onnxruntime onnxruntime-gpu" in error.advice


@pytest.mark.parametrize("installed", [("onnxruntime",), ("onnxruntime", "onnxruntime-gpu"), ()])
def test_a_build_without_the_provider_is_an_error(monkeypatch, installed):
    """The CPU-only distribution says which one is needed."""
    monkeypatch.setattr(providers, "installed_distributions", lambda: installed)
    with pytest.raises(MachineError, match="cuda") as caught:
        check_available("cuda", ["AzureExecutionProvider", "CPUExecutionProvider"])
    assert "onnxruntime-gpu[cuda,cudnn]" in caught.value.advice
    check_available("cpu", ["AzureExecutionProvider", "CPUExecutionProvider"])


def test_a_reason_loses_its_prefixes():
    """Codes, colours, times and paths are taken off; what is left is short."""
    assert first_reason("[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Failed to load model") == "Failed to load model"
    assert first_reason("\n\n  ****  \nEP Error x\nreal reason\nmore") == "real reason"
    assert len(first_reason("x" * 1000)) == 300
    assert first_reason("") == ""
