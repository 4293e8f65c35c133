"""From the text of options to typed values, with one clear sentence when that fails."""

import re
from collections.abc import Sequence

from compressor.errors import OptionError

SCALES = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Return (height, width) of `32` or `180x320`.

    Raises:
        OptionError: not of that form.
    """
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", text.strip().lower())
    if match is None:
        raise OptionError(f"--input-size {text!r} is not a size", advice="write 32 or 180x320 (height x width)")
    height = int(match.group(1))
    return height, int(match.group(2) or height)


def parse_ceiling(option: str, text: str | None) -> float | int | None:
    """Return a fraction of dense (float in (0, 1)) for `0.5`, or an absolute count for `20M`.

    Raises:
        OptionError: not of that form.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d*\.?\d+)\s*([kmg]?)", text.strip().lower())
    if match is None:
        raise OptionError(f"{option} {text!r} is not a ceiling", advice="write 0.5 (of dense) or 20M (absolute)")
    number, unit = float(match.group(1)), match.group(2)
    if not unit and 0 < number < 1:
        return number
    count = int(number * SCALES[unit])
    if count < 1 or (not unit and count == 1):
        raise OptionError(f"{option} {text!r} leaves all or nothing", advice="write 0.5 (of dense) or 20M (absolute)")
    return count


def parse_ratio_for(pairs: Sequence[str] | None) -> dict[str, float]:
    """Return {glob: ratio} of `layer1.*=0.3` pairs.

    Raises:
        OptionError: not of that form.
    """
    found = {}
    for pair in pairs or ():
        glob, equals, number = pair.rpartition("=")
        try:
            ratio = float(number)
        except ValueError:
            ratio = -1.0
        if not equals or not glob or not 0 <= ratio < 1:
            raise OptionError(f"--ratio-for {pair!r} is not GLOB=R", advice="write 'layer1.*=0.3' with R in [0, 1)")
        found[glob] = ratio
    return found


def parse_accept(ids: Sequence[str] | None, because: Sequence[str] | None) -> dict[str, str]:
    """Pair each --unsafe-accept with its --because.

    Raises:
        OptionError: not as many reasons as conditions, or an empty reason.
    """
    ids, because = ids or (), because or ()
    if len(ids) != len(because) or not all(text.strip() for text in because):
        raise OptionError(
            f"{len(ids)} --unsafe-accept with {len(because)} --because",
            advice="give one --because TEXT, not empty, after each --unsafe-accept ID",
        )
    return dict(zip(ids, because, strict=True))
