"""From the text of options to typed values, with one clear sentence when that fails."""

import re
from collections.abc import Mapping, Sequence

from compressor.errors import OptionError
from compressor.gate.units import COUNT_UNITS

TIME_UNITS = {"US": 0.001, "MS": 1.0, "S": 1000.0}
"""Milliseconds in each unit, by its name in upper case."""


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


def parse_ceiling(
    option: str, text: str | None, *, units: Mapping[str, int] = COUNT_UNITS, example: str = "20M"
) -> float | int | None:
    """Return a fraction of dense (float in (0, 1)) for `0.5`, or an absolute number for `20M` or `1.5MB`.

    Args:
        option: its name, for errors.
        text: as given.
        units: pieces in each unit, by its name in upper case.
        example: of an absolute number.

    Raises:
        OptionError: not of that form, or a number that leaves all or nothing.
    """
    if text is None:
        return None
    advice = f"write 0.5 (of dense) or {example} (absolute)"
    number, unit = _number_and_unit(option, text, advice)
    if not unit and 0 < number < 1:
        return number
    if unit not in {"", *units}:
        raise OptionError(f"{option} {text!r}: there is no unit {unit!r}", advice=advice)
    count = int(number * (units[unit] if unit else 1))
    if count < 1 or (not unit and count == 1):
        raise OptionError(f"{option} {text!r} leaves all or nothing", advice=advice)
    return count


def parse_latency(option: str, text: str | None) -> tuple[float | None, float | None]:
    """Return (milliseconds, None) for `2ms`, (None, fraction of dense) for `0.5`.

    Raises:
        OptionError: not of that form, or a number that leaves all or nothing.
    """
    if text is None:
        return None, None
    advice = "write 0.5 (of the dense model's latency) or 2ms"
    number, unit = _number_and_unit(option, text, advice)
    if unit not in {"", *TIME_UNITS}:
        raise OptionError(f"{option} {text!r}: there is no unit {unit!r}", advice=advice)
    if number == 0 or (not unit and number >= 1):
        hint = f"; did you mean {text.strip()}ms?" if number else ""
        raise OptionError(f"{option} {text!r} leaves all or nothing", advice=advice + hint)
    return (number * TIME_UNITS[unit], None) if unit else (None, number)


def _number_and_unit(option: str, text: str, advice: str) -> tuple[float, str]:
    """Return the number and the unit in upper case of `1.5 MB`."""
    match = re.fullmatch(r"(\d{1,15}\.?\d{0,15}|\.\d{1,15})\s*([a-z]*)", text.strip().lower())
    if match is None:
        raise OptionError(f"{option} {text!r} is not a ceiling", advice=advice)
    return float(match.group(1)), match.group(2).upper()


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
