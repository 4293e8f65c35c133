"""What a run would cost, before it is started: seconds per stage and bytes on disk, from a short measurement here."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from compressor.asked import admitted, battery_of
from compressor.attacks.passes import passes
from compressor.attacks.threat import Threat
from compressor.certify.battery import read_battery
from compressor.certify.proving import NUM_SMOOTHED
from compressor.data import Data
from compressor.evaluate import chunk_size
from compressor.finetune import Prepared, Recipe
from compressor.gate.policy import threats_of
from compressor.load import Checkpoint
from compressor.progress import SILENT, Progress
from compressor.prove import OutOfReach, Prover, trace
from compressor.prove.smoothing import NUM_CHOOSING, NUM_DRAWS
from compressor.steps import fit, open_model
from compressor.task import Place, Proof, Task
from compressor.types import Norm

JUDGED_AGAIN = 2
"""Answers that each attack's finds take: of the model, and of the file."""
CURVE_STEPS = 65
"""The same for the curve that is drawn when no threat is named: 30 steps in each norm."""
TRAINING_PASSES = 2.0
"""A training step of one image, teacher included, in passes of an attack: both go forward and backward once."""
SHAKEN_PASSES = 130
"""What all corruptions and worst cases take, in passes of an attack: some 260 answers, and making the images."""
NOISY_COPIES = NUM_CHOOSING + NUM_DRAWS
"""What smoothing answers for one image."""
PROBE_REPEATS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEstimate:
    """One stage of a planned run."""

    stage: str
    seconds: float
    """An upper guess."""
    what: str
    """What it would do, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A planned run."""

    stages: tuple[StageEstimate, ...]
    disk_bytes: int
    """State for resuming and results together."""

    @property
    def seconds(self) -> float:
        """All stages together."""
        return sum(stage.seconds for stage in self.stages)


def seconds_per_image(checkpoint: Checkpoint, *, device: str = "cpu") -> float:
    """Measure one forward and backward pass of one image, as the battery runs them (in padded chunks)."""
    model = checkpoint.classifier().to(device).eval()
    num = chunk_size(checkpoint.input_shape)
    images = torch.rand(num, *checkpoint.input_shape, device=device, requires_grad=True)
    times = []
    for _ in range(PROBE_REPEATS):
        begin = time.perf_counter()
        torch.autograd.grad(model(images).sum(), images)
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return min(times) / num


def estimate_certify(checkpoint: Checkpoint, data: Data, *, proof: Proof, num_models: int, device: str) -> Estimate:
    """Guess what a certificate would cost.

    Args:
        checkpoint: the model to attack.
        data: its data.
        proof: what the battery is asked.
        num_models: how many models of about this size are attacked: this one, a baseline, a control.
        device: where.
    """
    per_image = seconds_per_image(checkpoint, device=device)
    num_images = min(proof.num_images, len(data.test) if data.test else 0)
    num_classes = checkpoint.num_classes
    stages = [_certify(per_image, proof=proof, num_images=num_images, num_models=num_models, num_classes=num_classes)]
    if proof.prove:
        stages.append(_prove(checkpoint, per_image, proof=proof, num_images=num_images, num_models=num_models))
    return Estimate(stages=tuple(stages), disk_bytes=state_bytes(checkpoint, num_images * num_models))


def estimate_release(source: Path | nn.Module, task: Task, *, progress: Progress = SILENT) -> Estimate:
    """Guess what a release would cost: load, look and time one chunk; nothing is written.

    Raises:
        CompressorError: whatever the release itself would refuse at its beginning.
    """
    policy = admitted(task)
    dense, data = fit(
        open_model(source, progress=progress, **task.source),
        task.data,
        expect_accuracy=task.expect_accuracy,
        seed=task.seed,
        device=task.place.device,
        cache=task.place.cache_dir,
        progress=progress,
    )
    per_image = seconds_per_image(dense, device=task.place.device)
    num_models = 3 if task.control else 2
    proof = Proof(
        threats=threats_of(policy),
        battery=battery_of(task, policy),
        audit=task.audit,
        corruptions=task.corruptions or policy.corruptions.min is not None,
        prove=task.prove,
    )
    num_images = min(task.num_images, len(data.test) if data.test else 0)
    num_train = len(data.train) if data.train else 0
    tuning = _tune(per_image, task.recipe, num_train=num_train, num_models=num_models - 1)
    certifying = _certify(
        per_image, proof=proof, num_images=num_images, num_models=num_models, num_classes=dense.num_classes
    )
    proving = (
        [_prove(dense, per_image, proof=proof, num_images=num_images, num_models=num_models)] if proof.prove else []
    )
    return Estimate(stages=(tuning, certifying, *proving), disk_bytes=state_bytes(dense, num_images * num_models))


def estimate_finetune(checkpoint: Checkpoint, ready: Prepared, *, place: Place) -> Estimate:
    """Guess what fine-tuning would cost, with the select images after each epoch."""
    per_image = seconds_per_image(checkpoint, device=place.device)
    recipe, num_select = ready.recipe, len(ready.select)
    tuning = _tune(per_image, recipe, num_train=len(ready.train), num_models=1, num_select=num_select)
    busy = min(place.crew.size, recipe.batch_size // recipe.micro_batch)
    shared = StageEstimate(stage=tuning.stage, seconds=tuning.seconds / busy, what=tuning.what)
    return Estimate(stages=(shared,), disk_bytes=state_bytes(checkpoint, 0))


def _tune(per_image: float, recipe: Recipe, *, num_train: int, num_models: int, num_select: int = 0) -> StageEstimate:
    """Guess from above."""
    num_passes = recipe.epochs * (training_passes(recipe) * num_train + num_select)
    return StageEstimate(
        stage="fine-tune",
        seconds=per_image * num_passes * num_models,
        what=f"{recipe.epochs} epochs of {num_train} images, {num_models} models",
    )


def training_passes(recipe: Recipe) -> float:
    """Return the passes of one image in an epoch: an inner attack goes forward and backward in each of its steps."""
    if recipe.adversarial is None:
        return TRAINING_PASSES
    steps = recipe.adversarial_steps
    inner = {"pgd": steps, "trades": steps + TRAINING_PASSES, "fast": 1, "free": (steps - 1) * TRAINING_PASSES}
    return TRAINING_PASSES + inner[recipe.adversarial_method]


def _certify(per_image: float, *, proof: Proof, num_images: int, num_models: int, num_classes: int) -> StageEstimate:
    """Guess the battery's time from above: every image survives until the last attack."""
    shaken = per_image * SHAKEN_PASSES * num_images * num_models if proof.corruptions else 0.0
    also = " and all corruptions" if proof.corruptions else ""
    if not proof.threats:
        seconds = per_image * CURVE_STEPS * num_images + shaken
        what = f"the curve over epsilon{also} on {num_images} images"
        return StageEstimate(stage="certify", seconds=seconds, what=what)
    num_passes = sum(passes_of(proof.battery, threat, num_classes) for threat in proof.threats)
    num_audited = min(proof.audit, num_images)
    num_in_audit = sum(passes_of("full", threat, num_classes) for threat in proof.threats) if num_audited else 0
    also += f" and full on {num_audited} survivors" if num_audited else ""
    return StageEstimate(
        stage="certify",
        seconds=per_image * (num_passes * num_images * num_models + num_in_audit * num_audited) + shaken,
        what=f"{proof.battery}{also} on {num_images} images, {len(proof.threats)} threats, {num_models} models",
    )


def passes_of(battery: str, threat: Threat, num_classes: int) -> int:
    """Return the passes of one image that survives everything: broken images cost far less.

    A forward pass without a backward one counts like both, so that what attacks compute besides is covered.

    Args:
        battery: its name, or the path of a list.
        threat: norm and radius.
        num_classes: of the model.

    Raises:
        OptionError: an unknown battery.
        CertifyError: an attack that cannot run on this threat or with so few classes.
    """
    attacks = read_battery(battery).fitted(threat, num_classes)
    counted = [passes(each.name, each.settings, threat=threat, num_classes=num_classes) for each in attacks]
    return sum(max(each) for each in counted) + JUDGED_AGAIN * (len(attacks) + 1)


def _prove(
    checkpoint: Checkpoint, per_image: float, *, proof: Proof, num_images: int, num_models: int
) -> StageEstimate:
    """Time the bound on one random image, which is harder than a real one, and count every image once."""
    smoothing = per_image * NOISY_COPIES * min(num_images, NUM_SMOOTHED)
    seconds = smoothing * sum(threat.norm is Norm.L2 for threat in proof.threats)
    program = trace(checkpoint.classifier(), checkpoint.input_shape)
    if isinstance(program, OutOfReach):
        return StageEstimate(stage="prove", seconds=seconds, what=f"out of reach: {program.reason}")
    image = torch.rand(checkpoint.input_shape, generator=torch.Generator().manual_seed(0))
    for threat in proof.threats:
        begin = time.perf_counter()
        Prover(program=program).least_margin(image, 0, threat)
        # Beside a baseline, both networks are walked once more, together.
        seconds += (time.perf_counter() - begin) * num_images * (1 if num_models == 1 else 3)
    what = f"bounds on {num_images} images, {len(proof.threats)} threats"
    return StageEstimate(stage="prove", seconds=seconds, what=what)


def state_bytes(checkpoint: Checkpoint, num_images: int) -> int:
    """Guess the disk that state and results take: adversarial images as float32, and four copies of the weights."""
    weights: int = sum(tensor.nbytes for tensor in checkpoint.model.state_dict().values())
    return 4 * weights + 4 * num_images * math.prod(checkpoint.input_shape)
