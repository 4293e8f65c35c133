"""The processes that share one piece of work, as torchrun starts them. One process alone is a crew of one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from torch import distributed

from compressor.launch import num_processes

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
        distributed.all_gather_object(values, value)
        return values  # type: ignore[return-value]  # all are filled

    def told(self, value: Value | None) -> Value:
        """Return what the first process gave."""
        if self.size > 1:
            values = [value]
            distributed.broadcast_object_list(values, src=0)
            value = values[0]
        assert value is not None
        return value


ALONE = Crew()


@contextmanager
def joined() -> Iterator[Crew]:
    """Join the processes that torchrun started, for as long as the context lasts; alone where it did not."""
    if num_processes() == 1:
        yield ALONE
        return
    distributed.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield Crew(rank=distributed.get_rank(), size=distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
