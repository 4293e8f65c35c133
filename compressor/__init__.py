"""Prune a trained image classifier, certify its robustness as a release gate, and ship one slim ONNX bundle.

The route, in the order of the code:

    dense = compressor.load("resnet20.th", arch="cifar:resnet20", preprocess=compressor.parse_preprocess("imagenet"))
    data = compressor.open_data("cifar10/", preprocess=dense.preprocess, input_size=(32, 32))
    plan = compressor.plan(dense, ratio=0.5)                  # prune chooses
    slim = compressor.slim(dense, plan)                       # slim cuts
    slim, history = compressor.finetune(slim, data, compressor.Recipe(epochs=3), teacher=dense)
    onnx = compressor.export_onnx(slim)                       # one self-contained file
    parity = compressor.check_parity(slim, onnx)              # torch and onnxruntime answer alike
    certificate, outcomes = compressor.certify(slim, data.test, artefact=onnx, baseline=dense, ...)
    latency = compressor.bench(onnx)                          # measured here
    verdict = compressor.judge(compressor.read_policy("policy.toml"), evidence)

`compressor.release(...)` does all of it and leaves one bundle. The names below are imported when first used, so that
the gate runs on machines that have no torch.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

_HOMES = {
    "Checkpoint": "compressor.load",
    "Cut": "compressor.task",
    "Plan": "compressor.prune",
    "Recipe": "compressor.finetune",
    "Task": "compressor.task",
    "Threat": "compressor.attacks",
    "bench": "compressor.bench.latency",
    "certify": "compressor.certify.certify",
    "check_parity": "compressor.export.parity",
    "export_onnx": "compressor.export.onnx",
    "finetune": "compressor.finetune",
    "judge": "compressor.gate.judge",
    "load": "compressor.load",
    "open_data": "compressor.data",
    "parse_preprocess": "compressor.data",
    "parse_threat": "compressor.attacks",
    "plan": "compressor.prune",
    "read_evidence": "compressor.gate.evidence",
    "read_policy": "compressor.gate.policy",
    "release": "compressor.pipeline",
    "save_slim": "compressor.load",
    "search": "compressor.search",
    "slim": "compressor.prune",
    "verify": "compressor.verify",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - the table above is the one place where names stand


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'compressor' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


class _Face(ModuleType):
    """Some verbs are called like the package they live in; importing that package must not hide the verb."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face
