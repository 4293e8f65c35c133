"""A threat is read exactly, or refused in a sentence."""

from fractions import Fraction

import pytest

from compressor.attacks.threat import Threat, parse_threat
from compressor.errors import OptionError
from compressor.types import Norm


@pytest.mark.parametrize(
    ("text", "epsilon"),
    [
        ("linf:8/255", Fraction(8, 255)),
        ("LINF:1", Fraction(1)),
        ("l2:0.5", Fraction(1, 2)),
        (" l2:1e-3 ", Fraction(1, 1000)),
        ("l2:300000", Fraction(300_000)),
    ],
)
def test_an_epsilon_is_exact(text: str, epsilon: Fraction) -> None:
    """As a fraction, so that equal threats are equal everywhere."""
    assert parse_threat(text).epsilon == epsilon


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("8/255", "is not NORM:EPSILON"),
        ("l1:0.1", "unknown norm 'l1'"),
        ("linf:1/0", "divides by zero"),
        ("linf:8", "at most 1"),
        ("l2:0", "above 0"),
        ("l2:1e400", "float32"),
        ("l2:1e7", "float32"),
        ("linf:1e-400", "float32"),
        ("linf:1e-9", "float32"),
    ],
)
def test_what_is_no_threat_is_one_sentence(text: str, part: str) -> None:
    """Also what no float can hold."""
    with pytest.raises(OptionError) as caught:
        parse_threat(text)
    assert part in caught.value.message
    assert "\n" not in caught.value.message


def test_plain_words_of_a_caller_are_taken_as_what_they_stand_for() -> None:
    """`is Norm.LINF` must hold for "linf" too: else an attack would stay in another ball than the one it names."""
    threat = Threat(norm="linf", epsilon="8/255")
    assert threat.norm is Norm.LINF
    assert threat == parse_threat("linf:8/255")
    assert Threat(norm=Norm.L2, epsilon=0.03).epsilon == Fraction(3, 100)
    for norm, epsilon in (("linfinity", Fraction(1, 2)), (Norm.L2, 0), (Norm.L2, "much"), (Norm.L2, float("nan"))):
        with pytest.raises(OptionError):
            Threat(norm=norm, epsilon=epsilon)
