"""One network through all stages, each in a process with limits: a failure becomes a row and not the end."""

import multiprocessing
import resource
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks import rows
from benchmarks.coverage_row import SCHEMA, Row
from benchmarks.stages import STAGES, Fields, Job
from compressor.errors import CompressorError
from compressor.records import now
from compressor.runtime.machine import host, installed_version, versions

CODE = ("compressor/load", "compressor/prune", "compressor/export", "benchmarks/stages.py", "benchmarks/zoo.py")
PRELOADED = ["torch", "torchvision", "torch.onnx", "torch.export", "torch._dynamo", "onnx", "onnxscript"]
"""Imported once, in the process that all others are forked from. Nothing of compress, and not torch-pruning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one stage may take."""

    memory_bytes: int = 12 * 2**30
    seconds: float = 900.0
    """Of wall time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A stage that did not come to its end."""

    sentence: str


def cover(architecture: str, folder: Path, *, limits: Limits | None = None, stages: Iterable[str] = STAGES) -> Row:
    """Take one network through the stages and say what came of it.

    Args:
        architecture: as `--arch` takes it.
        folder: for its files, which may be large.
        limits: of each stage.
        stages: names in `STAGES`, in their order; without the last, the row is not whole.
    """
    job = Job(architecture=architecture, folder=folder)
    found: Fields = {}
    refused = None
    for name in stages:
        result = in_own_process(STAGES[name], job, limits or Limits())
        if isinstance(result, Failure):
            refused = f"{name}: {result.sentence}"
            break
        found |= result
    used = versions()
    timm = installed_version("timm") if architecture.startswith("timm:") else None
    return Row(
        schema=SCHEMA,
        created=now(),
        model=architecture,
        refused=refused,
        code=digest_of_code(),
        versions=used | ({"timm": timm} if timm else {}),
        host=host(),
        **found,
    )


def digest_of_code() -> str:
    """Return a digest over the code that can change a row."""
    return rows.digest_of_code(CODE)


def in_own_process(stage: Callable[[Job], Fields], job: Job, limits: Limits) -> Fields | Failure:
    """Run a stage in a fresh process and return its fields, or why there are none."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_guarded, args=(sender, stage, job, limits.memory_bytes))
    process.start()
    sender.close()
    result: Fields | Failure
    try:
        if receiver.poll(limits.seconds):
            result = receiver.recv()
        else:
            result = Failure(sentence=f"took more than {limits.seconds:g} s")
    except EOFError:
        process.join()
        result = Failure(sentence=f"the process ended with code {process.exitcode} and said nothing")
    if process.is_alive():
        process.join(5)
        process.kill()
    process.join()
    receiver.close()
    return result


def _guarded(sender: Connection, stage: Callable[[Job], Fields], job: Job, memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    try:
        result: Fields | Failure = stage(job)
    except CompressorError as error:
        result = Failure(sentence=f"{error} ({error.advice})")
    except Exception as error:  # noqa: BLE001 - a fault becomes a row
        traceback.print_exc()
        lines = str(error).strip().splitlines()
        result = Failure(sentence=f"{type(error).__name__}: {lines[0] if lines else ''}")
    sender.send(result)
