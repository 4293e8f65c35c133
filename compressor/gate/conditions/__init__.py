"""One file for each kind of condition: a section of the policy and the evidence in, conditions out.

Every id is stable, every reason is a sentence with its numbers, and what could not be looked at is undecided.
"""

from compressor.gate.conditions.accuracy import judge_accuracy
from compressor.gate.conditions.corruptions import judge_corruptions
from compressor.gate.conditions.latency import judge_latency
from compressor.gate.conditions.origin import judge_flags, judge_origin
from compressor.gate.conditions.robustness import judge_robustness
from compressor.gate.conditions.shipping import judge_parity, judge_size

__all__ = [
    "judge_accuracy",
    "judge_corruptions",
    "judge_flags",
    "judge_latency",
    "judge_origin",
    "judge_parity",
    "judge_robustness",
    "judge_size",
]
