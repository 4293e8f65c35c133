"""Attack a model file with a battery and conclude, with intervals, what share of answers holds.

This face names the record only, which the gate reads without torch; the verb is in `certify.certify`.
"""

from compressor.certify.certificate import Certificate

__all__ = ["Certificate"]
