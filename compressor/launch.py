"""How this process was started. Known without torch, so that the command line can ask."""

import os


def num_processes() -> int:
    """Return how many processes torchrun started for one piece of work, this one among them; 1 where it did not."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def local_rank() -> int:
    """Return the number of this process among those of its machine; 0 where torchrun did not start it."""
    return int(os.environ.get("LOCAL_RANK", "0")) if num_processes() > 1 else 0


def num_local_processes() -> int:
    """Return how many of the processes of `num_processes` share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if num_processes() > 1 else 1
