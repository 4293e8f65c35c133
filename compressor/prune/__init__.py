"""Make a network smaller by whole structures: `plan` chooses filters and blocks, `slim` cuts them.

Which channels leave together is found by following one forward pass on shapes (coupling); how much each is worth is the
business of a criterion (criteria, one file each). A plan is a record that can be kept, read and carried out later.
"""

from compressor.prune.block_criteria import BLOCK_CRITERIA
from compressor.prune.blocks import find_blocks
from compressor.prune.compose import compose
from compressor.prune.cost import Cost, count_cost
from compressor.prune.coupling import CouplingGraph, Group, LeftOut, Member, trace_coupling
from compressor.prune.criteria import CRITERIA
from compressor.prune.measured import Measure, Measured
from compressor.prune.plan import plan
from compressor.prune.plan_record import GroupPlan, NextStep, Plan, Target
from compressor.prune.slim import slim

__all__ = [
    "BLOCK_CRITERIA",
    "CRITERIA",
    "Cost",
    "CouplingGraph",
    "Group",
    "GroupPlan",
    "LeftOut",
    "Measure",
    "Measured",
    "Member",
    "NextStep",
    "Plan",
    "Target",
    "compose",
    "count_cost",
    "find_blocks",
    "plan",
    "slim",
    "trace_coupling",
]
