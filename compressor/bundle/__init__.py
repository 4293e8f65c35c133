"""The folder that ships: one model file, the evidence about it, and one list of digests that binds them.

Writing makes the whole folder appear at once; reading trusts nothing in it. `replay.py` travels along, so that the
machine that will run the model can check the same numbers without torch. This face needs no numpy: the gate reads
bundles.
"""

from compressor.bundle.names import bundle_digest
from compressor.bundle.read import Bundle, Problem, What, check_sums, open_bundle
from compressor.bundle.write import write_bundle

__all__ = [
    "Bundle",
    "Problem",
    "What",
    "bundle_digest",
    "check_sums",
    "open_bundle",
    "write_bundle",
]
