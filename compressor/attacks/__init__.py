"""Attacks try: each is a pure function on a model, one file per paper.

This face names the threat only, which the gate reads without torch; import an attack from its file.
"""

from compressor.attacks.threat import Threat, parse_threat

__all__ = ["Threat", "parse_threat"]
