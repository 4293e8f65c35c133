"""The gate judges: a policy says what is demanded, records say what was found, a verdict says whether it may ship.

It needs pydantic and the standard library only, so that a small machine can judge what a big one measured.
"""

from compressor.gate.evidence import Evidence, evidence_of, read_evidence
from compressor.gate.explain import explain
from compressor.gate.judge import judge
from compressor.gate.policy import Policy, parse_policy, read_policy, threats_of
from compressor.gate.starter import starter_policy
from compressor.gate.verdict import Verdict

__all__ = [
    "Evidence",
    "Policy",
    "Verdict",
    "evidence_of",
    "explain",
    "judge",
    "parse_policy",
    "read_evidence",
    "read_policy",
    "starter_policy",
    "threats_of",
]
