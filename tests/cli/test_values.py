"""Texts of options and what they mean."""

import pytest

from cli.values import parse_ceiling, parse_latency
from compressor.errors import OptionError
from compressor.gate.units import SIZE_UNITS


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, None),
        ("0.5", 0.5),
        (".5", 0.5),
        ("20M", 20_000_000),
        ("1.5 k", 1500),
        ("270000", 270_000),
        ("2g", 2 * 10**9),
    ],
)
def test_counts(text: str | None, value: float | None) -> None:
    """A fraction below 1 without a unit is of dense; all else is a number."""
    found = parse_ceiling("--target-macs", text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "value"), [("1.5MB", 1_500_000), ("1.5MiB", 1_572_864), ("800 kB", 800_000), ("0.5MB", 500_000), ("9b", 9)]
)
def test_sizes(text: str, value: int) -> None:
    """The units of a policy's max_bytes; a unit makes any number absolute."""
    assert parse_ceiling("--target-bytes", text, units=SIZE_UNITS) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, (None, None)),
        ("2ms", (2.0, None)),
        ("0.5ms", (0.5, None)),
        ("500us", (0.5, None)),
        ("0.002s", (2.0, None)),
        ("0.5", (None, 0.5)),
    ],
)
def test_latencies(text: str | None, value: tuple[float | None, float | None]) -> None:
    """With a unit milliseconds, without one a fraction of the dense model's."""
    assert parse_latency("--target-latency", text) == value


@pytest.mark.parametrize(
    "text", ["", "half", "1e3", "1.5.2", "-1", "inf", "0", "0.0", "1", "3", "0ms", "5parsecs", "2 ms x"]
)
def test_no_latencies(text: str) -> None:
    """Anything else is quoted and explained."""
    with pytest.raises(OptionError, match="--target-latency") as caught:
        parse_latency("--target-latency", text)
    assert "2ms" in caught.value.advice


@pytest.mark.parametrize("text", ["", "half", "-5M", "0", "1", "0M", "5Q", "5MB"])
def test_no_counts(text: str) -> None:
    """The same for counts, where a unit of bytes is none."""
    with pytest.raises(OptionError, match="--target-macs") as caught:
        parse_ceiling("--target-macs", text)
    assert "20M" in caught.value.advice
