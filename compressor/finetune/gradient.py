"""The gradient of one optimizer step: over its micro-batches, shared out among processes, in parts if memory runs out.

N processes take the micro-batches in turn; gradients, statistics and counts are summed over all of them. So the step is
the same for every N, up to the order in which a sum is rounded.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compressor.errors import MachineError, is_out_of_memory
from compressor.finetune.augmentation import Augmentation
from compressor.finetune.batchnorm import Statistics
from compressor.finetune.lesson import Lesson
from compressor.finetune.pixels import Pixels
from compressor.finetune.precision import gradient_scaler
from compressor.finetune.randomness import seed_of
from compressor.finetune.recipe import Recipe
from compressor.runtime.crew import Crew

SMALLEST = 2
"""Images that BatchNorm needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What was found over the images of one step, on the device."""

    loss: Tensor
    """() float64, the sum over images of what is minimised."""
    right: Tensor
    """() float64, images answered right as trained on."""
    teacher: Tensor
    """() float64, the mean cross-entropy of the teacher; 0 without one."""
    student: Tensor
    """() float64, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Where training stands, for all that is drawn."""

    epoch: int
    step: int
    augmentation: Augmentation
    """How images are augmented in this epoch."""
    heed: Tensor
    """() float32: 1 to listen to the teacher, 0 not to."""


class Gradients:
    """Leaves in the classifier's parameters what the optimizer needs, and folds BatchNorm's statistics."""

    def __init__(
        self, classifier: nn.Module, *, teacher: nn.Module | None, pixels: Pixels, recipe: Recipe, crew: Crew
    ) -> None:
        self.classifier = classifier
        self.pixels = pixels
        self.recipe = recipe
        self.crew = crew
        self.device = pixels.device
        example = pixels.batch(torch.arange(2), None)
        self.lesson = Lesson(classifier, teacher=teacher, recipe=recipe, example=example)
        self.scaler = gradient_scaler(recipe.precision, self.device)
        self.statistics = Statistics(classifier)
        self.parameters = [parameter for parameter in classifier.parameters() if parameter.requires_grad]
        self.num_parts = 1
        """Into how many parts a micro-batch is divided, because memory ran out."""

    @property
    def part_size(self) -> int:
        """Images in a forward pass."""
        return -(-self.recipe.micro_batch // self.num_parts)

    def halve(self) -> None:
        """Divide micro-batches once more.

        Raises:
            MachineError: they cannot be divided.
        """
        if self.recipe.micro_batch < 2 * SMALLEST * self.num_parts:
            raise MachineError(
                f"{self.device} has too little memory to fine-tune with {self.part_size} images at a time",
                advice="free memory, or use --device cpu",
            )
        self.num_parts *= 2
        self.lesson.begin_step()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def of(self, micro_batches: Tensor, moment: Moment) -> Sums | None:
        """Compute the gradient of the mean loss over (k, m) int64 images; None where memory ran out in any process.

        Then nothing has changed but gradients.
        """
        units = self._units(micro_batches)
        found = torch.zeros(4, dtype=torch.float64, device=self.device)
        rows = [torch.zeros(0)] * len(units)
        for parameter in self.parameters:
            parameter.grad = None

        def work() -> None:
            for number in range(self.crew.rank, len(units), self.crew.size):
                share = len(units[number]) / micro_batches.numel()
                found.add_(self._pass(units[number], number, share, moment))
                rows[number] = self.statistics.measured()

        with self.statistics.set_aside():
            fits = _fits(work)
            if self.crew.size > 1:
                fits = self._share(found, rows, fits=fits)
            if fits:
                self.statistics.fold(rows)
        return Sums(loss=found[0], right=found[1], teacher=found[2], student=found[3]) if fits else None

    def own_units(self, micro_batches: Tensor) -> list[Tensor]:
        """Return what this process reads in a step over (k, m) int64 images, in this order."""
        return self._units(micro_batches)[self.crew.rank :: self.crew.size]

    def _units(self, micro_batches: Tensor) -> list[Tensor]:
        return [part for whole in micro_batches for part in torch.tensor_split(whole, self.num_parts)]

    def _pass(self, indices: Tensor, number: int, share: float, moment: Moment) -> Tensor:
        """Add the gradient of one part of a step, which is `share` of it; return its part of `Sums`."""
        images = self.pixels.batch(indices, moment.augmentation)
        labels = self.pixels.labels[indices.to(self.device)]
        if self.lesson.threat is not None:
            self.statistics.put_back()
        torch.manual_seed(seed_of("dropout", self.recipe.seed, moment.epoch, moment.step, number))
        self.classifier.train()
        learnt = self.lesson.learn(images, labels, indices=indices, epoch=moment.epoch, number=number, heed=moment.heed)
        self.scaler.scale(learnt.loss * share).backward()  # type: ignore[no-untyped-call]
        self.lesson.carry()
        entropies = torch.zeros(2, device=self.device) if learnt.pair is None else learnt.pair
        loss, right = learnt.loss.detach().double() * len(indices), learnt.right.double()
        return torch.stack([loss, right, *(entropies.double() * share)])

    def _share(self, found: Tensor, rows: list[Tensor], *, fits: bool) -> bool:
        """Make the sums, gradients and statistics of all processes each one's own; say whether memory was enough."""
        has = [float(parameter.grad is not None) for parameter in self.parameters]
        counts = torch.tensor([float(not fits), *has], dtype=torch.float64, device=self.device)
        counts = self.crew.summed(torch.cat([found, counts]))
        found.copy_(counts[:4])
        ran_out, *used = counts[4:].tolist()
        if ran_out:
            return False
        gradients = [
            torch.zeros_like(parameter) if parameter.grad is None else parameter.grad for parameter in self.parameters
        ]
        empty = torch.zeros(self.statistics.size, device=self.device)
        own = [row if len(row) else empty for row in rows]
        flat = self.crew.summed(torch.cat([part.reshape(-1) for part in (*gradients, *own)]))
        parts = torch.split(flat, [part.numel() for part in (*gradients, *own)])
        rows[:] = parts[len(gradients) :]
        for parameter, gradient, summed, is_used in zip(self.parameters, gradients, parts, used, strict=False):
            parameter.grad = gradient.copy_(summed.view(gradient.shape)) if is_used else None
        return True


def _fits(work: Callable[[], None]) -> bool:
    """Do the work; False where memory ran out. What the attempt held is free when this returns."""
    try:
        work()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True


def idle_processes(recipe: Recipe, crew: Crew) -> int:
    """Return how many processes have no micro-batch to work on in any step."""
    return max(0, crew.size - recipe.batch_size // recipe.micro_batch)
