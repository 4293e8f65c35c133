"""Train a small network, release it, and judge the same evidence by a stricter policy."""

from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import torch

from compressor.data import open_data, parse_preprocess
from compressor.files import write_whole
from compressor.finetune import Recipe, finetune
from compressor.gate.evidence import read_evidence
from compressor.gate.judge import judge
from compressor.gate.policy import read_policy
from compressor.gate.verdict import Verdict
from compressor.load import build, load, save_slim
from compressor.pipeline import Released, release
from compressor.progress import SILENT, Progress
from compressor.records import now
from compressor.task import Cut, Place, Task

ARCHITECTURE = "cifar:resnet8"
TRAINING = Recipe(
    epochs=12,
    lr=0.1,
    batch_size=64,
    warmup=0.1,
    augment="none",
    batchnorm_batches=0,
    adversarial="linf:1/10",
    adversarial_steps=3,
    distill=False,
)
"""Adversarial examples from the start: without them there is no robustness worth gating."""
TUNING = Recipe(epochs=5, lr=0.05, batch_size=64, augment="none", adversarial="linf:1/10", adversarial_steps=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What the demo ends with."""

    checkpoint: Path
    """The dense network it trained."""
    released: Released
    strict: Verdict
    """The same evidence, judged by the stricter policy."""


def train_digits(path: Path, *, seed: int = 0, work_dir: Path | None = None, progress: Progress = SILENT) -> None:
    """Train the demo's network from scratch and save it as a checkpoint file.

    Args:
        path: where to write, `.safetensors`.
        seed: of weights, order and attack.
        work_dir: state for resuming.
        progress: listener.
    """
    torch.manual_seed(seed)
    network = build(ARCHITECTURE, num_classes=10, in_channels=1)
    fresh = load(network, arch=ARCHITECTURE, preprocess=parse_preprocess("none"), input_size=(8, 8))
    data = open_data("digits", preprocess=fresh.preprocess, seed=seed)
    state = work_dir / "train" if work_dir else None
    trained, _ = finetune(fresh, data, replace(TRAINING, seed=seed), state=state, progress=progress)
    save_slim(replace(trained, history=(), labels=data.class_names), path)


def demo(
    *,
    output: Path,
    work_dir: Path,
    seed: int = 0,
    force: bool = False,
    commands: tuple[str, ...] = (),
    progress: Progress = SILENT,
) -> Demo:
    """Run the whole route on the digits.

    Args:
        output: where the bundle lands.
        work_dir: where the dense checkpoint and all state go.
        seed: same seed, same network.
        force: overwrite an existing bundle.
        commands: what was typed to ask for this.
        progress: listener.
    """
    checkpoint = work_dir / "digits.safetensors"
    policy, strict = work_dir / "policy.toml", work_dir / "strict.toml"
    for path in (policy, strict):
        write_whole(path, (files("compressor.demo") / path.name).read_bytes())
    task = Task(
        data="digits",
        policy=policy,
        cut=Cut(ratio=0.5),
        recipe=replace(TUNING, seed=seed),
        control=True,
        num_images=300,
        commands=commands,
        output=output,
        force=force,
        seed=seed,
        place=Place(work_dir=work_dir),
    )
    train_digits(checkpoint, seed=seed, work_dir=work_dir, progress=progress)
    released = release(checkpoint, task, progress=progress)
    verdict = judge(read_policy(strict), read_evidence([released.bundle]), now=now())
    return Demo(checkpoint=checkpoint, released=released, strict=verdict)
