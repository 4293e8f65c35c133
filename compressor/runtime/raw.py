"""onnxruntime itself, behind one door: the only file that imports it.

onnxruntime goes to the CPU without raising when a GPU provider cannot be loaded, and still lists that provider as
available (measured, onnxruntime 1.31). So the provider that was asked for must stand first in the opened session;
otherwise there is an error with the reason, never an answer.
"""

from functools import cache
from typing import Any

from compressor.errors import LoadError, MachineError
from compressor.runtime.providers import INSTALL_GPU, PROVIDERS, check_available, first_reason, why_not_loaded
from compressor.runtime.quiet import quiet


@cache
def onnxruntime() -> Any:
    """Import onnxruntime, once, without its remarks about the machine.

    Raises:
        MachineError: it is not installed, or cannot be imported.
    """
    with quiet() as heard:
        try:
            import onnxruntime as module
        except ImportError as error:
            failure = error
        else:
            module.disable_telemetry_events()
            return module
    raise MachineError(
        f"onnxruntime cannot be imported: {first_reason(f'{failure}') or first_reason(heard.text)}", advice=INSTALL_GPU
    ) from failure


def open_raw(
    name: str, content: str | bytes, *, provider: str, threads: int, repeatable: bool, cuda_graph: bool = False
) -> Any:
    """Return an `onnxruntime.InferenceSession` whose provider really loaded.

    Args:
        name: what to call the model in an error.
        content: its path or its bytes.
        provider: one of `PROVIDERS`.
        threads: within an operator, on the CPU.
        repeatable: see `open_session`.
        cuda_graph: see `open_session`.

    Raises:
        LoadError: onnxruntime cannot open the model.
        MachineError: the provider does not load here.
    """
    ort = onnxruntime()
    check_available(provider, ort.get_available_providers())
    options = _options(ort, provider=provider, threads=threads, repeatable=repeatable)
    failure: Exception | None = None
    inner = None
    with quiet() as heard:
        if provider != "cpu":
            ort.preload_dlls()  # finds CUDA and cuDNN in site-packages; prints what it misses
        try:
            providers = _providers(provider, repeatable=repeatable, cuda_graph=cuda_graph)
            inner = ort.InferenceSession(content, options, providers=providers, enable_fallback=0)
        except Exception as error:  # noqa: BLE001 - onnxruntime's exceptions share no other base
            failure = error
    if inner is not None and inner.get_providers()[0] == PROVIDERS[provider]:
        return inner
    if provider == "cpu":
        raise LoadError(
            f"{name} cannot be opened by onnxruntime: {first_reason(failure)}", advice="export it anew"
        ) from failure
    if failure is not None:
        open_raw(name, content, provider="cpu", threads=threads, repeatable=repeatable)  # is it the file's fault?
    raise why_not_loaded(provider, f"{heard.text}\n{failure or ''}") from failure


def _options(ort: Any, *, provider: str, threads: int, repeatable: bool) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = repeatable
    options.log_severity_level = 4  # a fault raises as well; why a provider did not load is logged elsewhere
    # Two sessions timed in turns must not spin against each other.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if hasattr(ort.InferenceSession, "get_provider_graph_assignment_info"):
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    elif provider != "cpu":  # an older onnxruntime cannot count, so it must not leave anything to the CPU
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def _providers(provider: str, *, repeatable: bool, cuda_graph: bool = False) -> list[str | tuple[str, dict[str, str]]]:
    """Return what onnxruntime shall try, in order. It adds the CPU itself, for shapes and the like."""
    if provider == "cpu":
        return [PROVIDERS["cpu"]]
    search = "HEURISTIC" if repeatable else "EXHAUSTIVE"  # an exhaustive search may choose otherwise next time
    cuda = {"use_tf32": "0", "cudnn_conv_algo_search": search}
    if provider == "cuda":
        return [(PROVIDERS["cuda"], cuda | ({"enable_cuda_graph": "1"} if cuda_graph else {}))]
    tensorrt = {"trt_cuda_graph_enable": "1"} if cuda_graph else {}
    return [(PROVIDERS["tensorrt"], tensorrt), (PROVIDERS["cuda"], cuda)]


def fraction_on(inner: Any, provider: str) -> float:
    """Return the share of nodes that the provider runs; 1.0 where this onnxruntime cannot count (see `_options`)."""
    if not hasattr(inner, "get_provider_graph_assignment_info"):
        return 1.0
    parts = [(part.ep_name, len(part.get_nodes())) for part in inner.get_provider_graph_assignment_info()]
    total = sum(num for _, num in parts)
    if total == 0:  # everything was folded into constants
        return 1.0 if provider == "cpu" else 0.0
    return sum(num for name, num in parts if name == PROVIDERS[provider]) / total
