"""The processes that share one piece of work, as torchrun starts them. One process alone is a crew of one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed

from compressor.errors import MachineError, is_out_of_memory
from compressor.launch import num_local_processes, num_processes

Value = TypeVar("Value")

PATIENCE = timedelta(days=7)
"""One process may be busy for hours while the others wait; a dead one is noticed by torchrun, which ends the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """This process among its like. All of them must make the same calls in the same order."""

    rank: int = 0
    """The first, 0, reads and writes files."""
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that reads and writes."""
        return self.rank == 0

    def gathered(self, value: Value) -> list[Value]:
        """Return what every process gave, in the order of their ranks."""
        if self.size == 1:
            return [value]
        values: list[Value | None] = [None] * self.size
        with _others_there():
            distributed.all_gather_object(values, value)
        return values  # type: ignore[return-value]  # all are filled

    def told(self, value: Value | None) -> Value:
        """Return what the first process gave."""
        if self.size > 1:
            values = [value]
            with _others_there():
                distributed.broadcast_object_list(values, src=0)
            value = values[0]
        assert value is not None
        return value

    def summed(self, tensor: Tensor) -> Tensor:
        """Return the sum of what every process gave, the same bits in all of them; the given tensor is used up."""
        if self.size > 1:
            with _others_there():
                distributed.all_reduce(tensor)
        return tensor


ALONE = Crew()


@contextmanager
def joined() -> Iterator[Crew]:
    """Join the processes that torchrun started, for as long as the context lasts; alone where it did not."""
    if num_processes() == 1:
        yield ALONE
        return
    distributed.init_process_group(_backend(), timeout=PATIENCE)
    try:
        yield Crew(rank=distributed.get_rank(), size=distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def _backend() -> str:
    """Return how tensors travel: between GPUs by NCCL where every process of this machine has one of its own."""
    here = num_local_processes()
    has_own = torch.cuda.is_available() and distributed.is_nccl_available() and torch.cuda.device_count() >= here
    return "cpu:gloo,cuda:nccl" if has_own else "gloo"


@contextmanager
def _others_there() -> Iterator[None]:
    """Say in plain words that another process is gone."""
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise MachineError(
            "another process of this run ended before its work was done",
            advice="its own message says why; run the same command again, and it goes on where it stopped",
        ) from error
