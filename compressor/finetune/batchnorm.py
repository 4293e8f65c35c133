"""BatchNorm's running statistics: each micro-batch's own, folded in their order, whoever computed them.

Re-estimated, they often bring back half of what cutting cost, without a gradient (Li et al., EagleEye, arXiv
2007.02491): cutting filters shifts every later mean and variance.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from compressor.runtime.crew import ALONE, Crew


def norms_with_statistics(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Return the layers that keep running statistics."""
    return [
        module
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None
    ]


class Statistics:
    """All running means and variances of a model as one vector of S numbers."""

    def __init__(self, model: nn.Module) -> None:
        self.norms = norms_with_statistics(model)
        self._momenta = [norm.momentum for norm in self.norms]
        self._counts = [norm.num_batches_tracked for norm in self.norms]
        stored = ((norm.running_mean, norm.running_var) for norm in self.norms)
        self._parts = [part for pair in stored for part in pair if part is not None]
        self._sizes = [len(part) for part in self._parts]
        self._held = self._vector()

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """Hold the running statistics; until the context ends, a pass in training mode leaves its own in their place.

        Whatever happens inside, the running statistics are in their place again afterwards.
        """
        self._held = self._vector()
        self._counts = [norm.num_batches_tracked for norm in self.norms]
        for norm in self.norms:
            # Nothing of the past counts; and nothing is counted, which also spares a kernel per layer and pass.
            norm.momentum, norm.num_batches_tracked = 1.0, None
        try:
            yield
        finally:
            for norm, momentum, count in zip(self.norms, self._momenta, self._counts, strict=True):
                norm.momentum, norm.num_batches_tracked = momentum, count
            self.put_back()

    @property
    def size(self) -> int:
        """S."""
        return len(self._held)

    def measured(self) -> Tensor:
        """Return the statistics of the last pass: (S,)."""
        return self._vector()

    def put_back(self) -> None:
        """Make the held statistics the ones that evaluation mode uses, until the next pass in training mode."""
        self._write(self._held)

    def fold(self, rows: Sequence[Tensor] | Tensor) -> None:
        """Take in the statistics (S,) of each micro-batch, in order, as so many passes in training mode would have."""
        for number, row in enumerate(rows if self.norms else ()):
            self._held = torch.lerp(self._held, row, self._weight(number))
        if counts := [count for count in self._counts if count is not None]:
            torch._foreach_add_(counts, len(rows))

    def replace(self, mean: Tensor, num: int) -> None:
        """Hold the mean (S,) over `num` micro-batches instead of what was held."""
        self._held = mean.to(self._held)
        for count in self._counts:
            if count is not None:
                count.fill_(num)

    def _weight(self, number: int) -> Tensor | float:
        """Return what a new micro-batch weighs: one number, or one for each of the S where layers differ."""
        weights = [
            momentum if momentum is not None else 1 / (int(count) + number + 1) if count is not None else 1.0
            for momentum, count in zip(self._momenta, self._counts, strict=True)
        ]
        if len(set(weights)) <= 1:
            return float(weights[0]) if weights else 0.0
        each = torch.tensor([float(weight) for weight in weights for _ in range(2)])
        return each.repeat_interleave(torch.tensor(self._sizes)).to(self._held)

    def _vector(self) -> Tensor:
        return torch.cat(self._parts) if self._parts else torch.zeros(0)

    def _write(self, vector: Tensor) -> None:
        if self._parts:
            torch._foreach_copy_(self._parts, list(torch.split(vector, self._sizes)))


def reestimate(classifier: nn.Module, batches: Iterable[Tensor], *, crew: Crew = ALONE) -> None:
    """Replace all running statistics by their plain mean over `batches`; everything else stays in evaluation mode.

    Args:
        classifier: images in [0, 1] to logits.
        batches: (n, C, H, W) float32 in [0, 1] each, n at least 2; of a crew, this process's share of them.
        crew: the processes that share the batches.
    """
    statistics = Statistics(classifier)
    classifier.eval()
    total, num = torch.zeros_like(statistics.measured(), dtype=torch.float64), 0
    with statistics.set_aside(), torch.no_grad():
        for norm in statistics.norms:
            norm.train()
        for images in batches:
            classifier(images)
            total, num = total + statistics.measured(), num + 1
        summed = crew.summed(torch.cat([total, total.new_tensor([num])]))
        statistics.replace(summed[:-1] / summed[-1], int(summed[-1]))
    classifier.eval()
