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
    evidence = compressor.evidence_of(certificate=certificate, parity=parity, latency=[latency], model=onnx)
    verdict = compressor.judge(compressor.read_policy("policy.toml"), evidence, now="2027-01-31T12:00:00+00:00")

`compressor.release(...)` does all of it and leaves one bundle. Whatever is wrong with an input is a `CompressorError`
with one sentence and an advice. The names below are imported when first used, so that the gate runs on machines that
have no torch.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compressor.attacks import Threat, parse_threat
    from compressor.bench.latency import bench
    from compressor.certify.certify import certify
    from compressor.data import open_data, parse_preprocess
    from compressor.errors import CompressorError
    from compressor.export.form import Form
    from compressor.export.onnx import export_onnx
    from compressor.export.parity import check_parity
    from compressor.finetune import Recipe, finetune
    from compressor.gate.evidence import evidence_of, read_evidence
    from compressor.gate.judge import judge
    from compressor.gate.policy import read_policy
    from compressor.load import Checkpoint, load, save_slim
    from compressor.pipeline import release
    from compressor.prune import Plan, plan, slim
    from compressor.search import Wanted, search
    from compressor.task import Cut, Place, Task, Timing
    from compressor.verify import verify

_HOMES = {
    "Checkpoint": "compressor.load",
    "CompressorError": "compressor.errors",
    "Cut": "compressor.task",
    "Form": "compressor.export.form",
    "Place": "compressor.task",
    "Plan": "compressor.prune",
    "Recipe": "compressor.finetune",
    "Task": "compressor.task",
    "Threat": "compressor.attacks",
    "Timing": "compressor.task",
    "Wanted": "compressor.search",
    "bench": "compressor.bench.latency",
    "certify": "compressor.certify.certify",
    "check_parity": "compressor.export.parity",
    "evidence_of": "compressor.gate.evidence",
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

__all__ = [
    "Checkpoint",
    "CompressorError",
    "Cut",
    "Form",
    "Place",
    "Plan",
    "Recipe",
    "Task",
    "Threat",
    "Timing",
    "Wanted",
    "bench",
    "certify",
    "check_parity",
    "evidence_of",
    "export_onnx",
    "finetune",
    "judge",
    "load",
    "open_data",
    "parse_preprocess",
    "parse_threat",
    "plan",
    "read_evidence",
    "read_policy",
    "release",
    "save_slim",
    "search",
    "slim",
    "verify",
]


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
