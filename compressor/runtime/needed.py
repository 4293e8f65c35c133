"""Which versions of libraries this project asks for, as its own installation declares them."""

import importlib.metadata
import re

DISTRIBUTION = "compress"
_REQUIREMENT = re.compile(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?\s*>=\s*([0-9][0-9.]*)")


def lowest_versions() -> dict[str, str]:
    """Return the lowest version that is asked for of each library; empty in a checkout that is not installed."""
    try:
        declared = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    found = (_REQUIREMENT.match(text) for text in declared if "extra ==" not in text)
    return {match.group(1): match.group(2) for match in found if match}


def is_older(version: str, lowest: str) -> bool:
    """Say whether a version is below another, by its numbers: 1.9 is below 1.20, and 2.14.1+cu130 is 2.14.1."""
    mine, other = _numbers(version), _numbers(lowest)
    length = max(len(mine), len(other))
    return mine + [0] * (length - len(mine)) < other + [0] * (length - len(other))


def _numbers(version: str) -> list[int]:
    match = re.match(r"\d+(?:\.\d+)*", version)
    return [int(number) for number in match.group().split(".")] if match else []
