"""Does a bundle hold? Each statement is recomputed, found consistent, not checked or contradicted, and says so.

Nothing in the folder is trusted, and nothing in it is run except the model itself. Two ways lead further than the
files themselves can: a digest that was told by another way, and images to attack anew.
"""

from compressor.verify.record import Check, Status, VerifyReport
from compressor.verify.run import verify

__all__ = ["Check", "Status", "VerifyReport", "verify"]
