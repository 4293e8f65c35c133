"""What happens to pictures without an adversary: noise, blur, weather, compression; and shifts in the worst place.

Pure functions on one image, one file per family. `table` knows their names, and what is undefined for an image's size.
"""

from compressor.corruptions.table import Plan, Planned, corrupt, plan_for

__all__ = ["Plan", "Planned", "corrupt", "plan_for"]
