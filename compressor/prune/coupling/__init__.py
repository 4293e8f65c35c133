"""Find out which channels of a network leave together.

Two sources fill one record: torch-pruning's DependencyGraph where it is at home, and our own tracing of every
operation, which also sees what stays, and why. Criteria, plan and slim know only the record.
"""

from compressor.prune.coupling.attention import Kind, attention_of
from compressor.prune.coupling.find import trace_coupling
from compressor.prune.coupling.graph import CouplingGraph, Group, LeftOut, Member, Product, Role

__all__ = [
    "CouplingGraph",
    "Group",
    "Kind",
    "LeftOut",
    "Member",
    "Product",
    "Role",
    "attention_of",
    "trace_coupling",
]
