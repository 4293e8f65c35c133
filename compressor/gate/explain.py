"""What a condition means, how its figure is measured and what usually fixes it: `compress gate --explain ID`."""

import difflib
import textwrap
import tomllib
from fnmatch import fnmatchcase
from importlib.resources import files

from compressor.errors import PolicyError

WIDTH = 80
PARTS = {"meaning": "What it means", "measured": "How it is measured", "fixes": "What usually fixes it"}


def explain(condition_id: str) -> str:
    """Return what a condition means, how it is measured and what usually fixes it, wrapped to 80 columns.

    Args:
        condition_id: as a verdict writes it: `robustness.linf-2/255.min`.

    Raises:
        PolicyError: no condition is called like that.
    """
    known = explained()
    for pattern, texts in known.items():
        if fnmatchcase(condition_id, pattern):
            paragraphs = [f"{title}. {' '.join(texts[part].split())}" for part, title in PARTS.items()]
            wrapped = (
                textwrap.fill(each, WIDTH, break_on_hyphens=False, break_long_words=False) for each in paragraphs
            )
            return "\n\n".join([condition_id, *wrapped]) + "\n"
    near = difflib.get_close_matches(condition_id, known, n=1, cutoff=0.6)
    raise PolicyError(
        f"no condition is called {condition_id!r}",
        advice=f"did you mean {near[0]}?" if near else "copy an id from a verdict, such as robustness.linf-2/255.min",
    )


def explained() -> dict[str, dict[str, str]]:
    """Return the texts for each pattern of ids, as `explanations.toml` holds them."""
    return tomllib.loads((files("compressor.gate") / "explanations.toml").read_text(encoding="utf-8"))
