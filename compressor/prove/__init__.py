"""Prove what no attack can do: sound bounds on small ReLU networks, and statements about their smoothed version.

A bound is proved, or it is out of reach with the operator or the size named; nothing here is estimated but the noise of
`smoothing`, which says with what probability it is right.
"""

from compressor.prove.margin import Comparer, Prover
from compressor.prove.program import OutOfReach, Program
from compressor.prove.trace import trace

__all__ = ["Comparer", "OutOfReach", "Program", "Prover", "trace"]
