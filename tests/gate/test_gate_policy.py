"""Reading policies: what is understood, and how each fault is refused."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.attacks.threat import parse_threat
from compressor.errors import PolicyError
from compressor.files import sha256_of_bytes
from compressor.gate.policy import condition_ids, parse_policy, read_policy, threats_of

WHOLE = """\
schema = "compress.policy/1"
[accuracy]
min = 0.90
max_drop = 0.01
max_class_drop = 0.05
max_ece = 0.05
[[robustness]]
threat = "linf:2/255"
min = 0.45
max_drop = 0.02
[[robustness]]
threat = "L2:0.5"
[corruptions]
min = 0.70
[size]
max_bytes = "2MB"
max_macs = "50M"
max_params = "1M"
[[latency]]
provider = "cpu"
device = "*Orin*"
batch = 1
threads = 1
max_p50_ms = 5.0
max_ratio_p50 = 0.6
[parity]
min_agreement = 0.999
[evidence]
battery = "standard"
min_images = 1000
seed = 0
max_age = "30d"
data_sha256 = "E5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5"
max_duplicates = 0
[waivers]
allowed = ["size.max_bytes"]
expires = "2027-01-01"
"""

A = "[accuracy]\nmin = 0.9\n"
"""A demand, so that the policy is not empty."""


def test_every_key_of_the_contract_is_understood() -> None:
    """Sizes are decimal, counts and ages have units, threats are exact."""
    policy = parse_policy(WHOLE, "policy.toml")
    assert policy.accuracy.max_class_drop == 0.05
    assert threats_of(policy) == (parse_threat("linf:2/255"), parse_threat("l2:1/2"))
    assert (policy.size.max_bytes, policy.size.max_macs, policy.size.max_params) == (2_000_000, 50_000_000, 1_000_000)
    assert policy.evidence.max_age == timedelta(days=30)
    assert policy.evidence.data_sha256 == "e5" * 32
    assert policy.waivers.expires == date(2027, 1, 1)
    assert policy.policy_sha256 == sha256_of_bytes(WHOLE.encode())


def test_condition_ids_are_stable() -> None:
    """The ids are a contract with every pipeline that names one."""
    assert condition_ids(parse_policy(WHOLE, "policy.toml")) == (
        "accuracy.min",
        "accuracy.max_drop",
        "accuracy.max_class_drop",
        "accuracy.max_ece",
        "robustness.linf-2/255.min",
        "robustness.linf-2/255.max_drop",
        "corruptions.min",
        "size.max_bytes",
        "size.max_macs",
        "size.max_params",
        "latency.cpu-b1-t1-orin.max_p50_ms",
        "latency.cpu-b1-t1-orin.max_ratio_p50",
        "parity.min_agreement",
        "evidence.battery",
        "evidence.min_images",
        "evidence.seed",
        "evidence.max_age",
        "evidence.data_sha256",
        "evidence.max_duplicates",
    )


@pytest.mark.parametrize(
    ("text", "num_bytes"),
    [
        ('"2MB"', 2_000_000),
        ('"512 KiB"', 524_288),
        ('"1.5GB"', 1_500_000_000),
        ('"1mib"', 1_048_576),
        ("300000", 300_000),
    ],
)
def test_sizes(text: str, num_bytes: int) -> None:
    """KB, MB, GB are decimal; KiB, MiB, GiB are binary."""
    assert parse_policy(f"[size]\nmax_bytes = {text}\n", "p").size.max_bytes == num_bytes


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[accuracy]\nmin = 45\n", 2, ("45", "did you mean 0.45?")),
        ('[accuracy]\nmin = "45 %"\n', 2, ("did you mean 0.45?",)),
        ("[accuracy]\nmin = 450\n", 2, ("450 is not a fraction in [0, 1]",)),
        ("[accuracy]\nmin = -0.1\n", 2, ("-0.1 is not a fraction",)),
        ("[accuracy]\nmin = nan\n", 2, ("nan is not a fraction",)),
        ("[accuracy]\nmin = true\n", 2, ("True is not a fraction",)),
        ("[accuracy]\n\nmim = 0.9\n", 3, ("'accuracy.mim' is not a key of [accuracy]", "did you mean min?")),
        (A + "[acuracy]\nmin = 0.9\n", 3, ("'acuracy' is not a key of the policy", "did you mean accuracy?")),
        (A + "sha256 = 3\n", 3, ("'accuracy.sha256'",)),
        ('policy_sha256 = "x"\n' + A, 1, ("'policy_sha256' is not a key of the policy",)),
        ('schema = "compress.policy/2"\n' + A, 1, ("compress.policy/2", 'schema = "compress.policy/1"')),
        ("", 1, ("demands nothing of a model",)),
        ("[accuracy]\n", 1, ("demands nothing of a model",)),
        ('[[robustness]]\nthreat = "linf:2/255"\n', 1, ("demands nothing of a model",)),
        ("[evidence]\nseed = 0\n", 1, ("demands nothing of a model",)),
        (A + '[[latency]]\nprovider = "CPU"\nmax_p50_ms = 5\n', 4, ("no record has the provider 'CPU'", "mean cpu?")),
        (A + '[waivers]\nallowed = ["evidence.nonsense"]\n', 4, ("waives no condition",)),
        (A + '[waivers]\nallowed = ["flag.x"]\n', 4, ("waives no condition",)),
        (A + "[[robustness]]\nmin = 0.4\n", 3, ("robustness.threat is missing",)),
        (A + '[[robustness]]\nthreat = "linf:8"\n', 4, ("did you mean linf:8/255",)),
        (A + '[[robustness]]\nthreat = "l3:8/255"\n', 4, ("unknown norm",)),
        (A + "[[robustness]]\nthreat = 8\n", 4, ("not NORM:EPSILON",)),
        (
            A + '[[robustness]]\nthreat = "linf:2/255"\n\n[[robustness]]\nthreat = "linf:4/510"\n',
            6,
            ("linf:2/255 stands twice in [[robustness]]",),
        ),
        (A + '[robustness]\nthreat = "linf:2/255"\n', 3, ("write it as [[robustness]]",)),
        ("accuracy = 0.9\n", 1, ("accuracy is not a table", "[accuracy]")),
        ('[size]\nmax_bytes = "2M"\n', 2, ("did you mean '2MB'?",)),
        ("[size]\nmax_bytes = 0\n", 2, ("0 is not a size",)),
        (f'[size]\nmax_bytes = "{"9" * 400}MB"\n', 2, ("is not a size",)),
        ('[size]\nmax_macs = "50MB"\n', 2, ("did you mean '50M'?",)),
        ('[size]\nmax_params = "many"\n', 2, ("'many' is not a count",)),
        (A + "[evidence]\nmax_age = 30\n", 4, ("did you mean '30d'?",)),
        (A + '[evidence]\nmax_age = "0d"\n', 4, ("is not an age",)),
        (A + "[evidence]\nmin_images = 0\n", 4, ("at least 1",)),
        (A + "[evidence]\nseed = 0.5\n", 4, ("whole number",)),
        (A + '[evidence]\ndata_sha256 = "abc"\n', 4, ("64 hexadecimal digits",)),
        (A + '[evidence]\nbattery = ""\n', 4, ("is not a name",)),
        ("[[latency]]\nbatch = 1\n", 1, ("this [[latency]] demands nothing",)),
        ("[[latency]]\nmax_p50_ms = -5\n", 2, ("milliseconds above 0",)),
        ("[[latency]]\nmax_ratio_p50 = 60\n", 2, ("did you mean 0.6?",)),
        ("[[latency]]\nmax_p50_ms = 5\n[[latency]]\nmax_p50_ms = 6\n", 3, ("cpu-b1-t1 stands twice",)),
        (A + '[waivers]\nallowed = ["accuracy.mim"]\nexpires = "2027-01-01"\n', 4, ("did you mean accuracy.min?",)),
        (A + '[waivers]\nallowed = ["accuracy.min"]\n', 4, ("never expire",)),
        (A + '[waivers]\nallowed = "accuracy.min"\n', 4, ("is not a list of condition ids",)),
        (A + '[waivers]\nexpires = "next year"\n', 4, ("is not a day such as '2027-01-01'",)),
        ("[accuracy]\nmin = 45\n[size]\nmax_bytes = 0\n", 2, ("45",)),
    ],
)
def test_a_wrong_policy_is_refused_with_its_line(text: str, line: int, words: tuple[str, ...]) -> None:
    """The message names the line and the advice what was probably meant."""
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, "my.toml")
    told = f"{caught.value.message} {caught.value.advice}"
    assert f"my.toml, line {line}: " in told
    assert all(word in told for word in words), told
    assert caught.value.advice


@pytest.mark.parametrize(
    "content", [b"[accuracy\nmin = 1", b"\xff\xfe\x00", b"a = 1\na = 2\n", b"x = " + b"[" * 20_000, b"\x00\x01"]
)
def test_what_is_not_toml_is_refused(content: bytes) -> None:
    """Bytes of any kind end in one sentence."""
    with pytest.raises(PolicyError, match=r"my\.toml"):
        parse_policy(content, "my.toml")


KEYS = ("min", "max_drop", "threat", "max_bytes", "allowed", "expires", "batch", "seed", "min_images", "max_age", "odd")
HEADS = ("[accuracy]", "[[robustness]]", "[size]", "[[latency]]", "[evidence]", "[waivers]", "[[accuracy]]", "[odd]")
VALUES = st.one_of(
    st.booleans().map(lambda value: str(value).lower()),
    st.integers(-9, 10**20).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(
        ["nan", "inf", "[]", "{}", '""', '"linf:2/255"', '"2MB"', '"30d"', "2027-01-01", '["accuracy.min"]']
    ),
    st.text(alphabet="0123456789abMB%/:. ", max_size=12).map(lambda text: f'"{text}"'),
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(HEADS), st.tuples(st.sampled_from(KEYS), VALUES).map(" = ".join)), max_size=8)
)
def test_any_text_is_a_policy_or_a_policy_error(lines: list[str]) -> None:
    """Nothing that can be written in the file ends in a traceback."""
    try:
        told = bool(condition_ids(parse_policy("\n".join(lines), "my.toml")))
    except PolicyError as error:
        told = bool(error.advice)
    assert told


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    """A missing file and a folder are both named."""
    with pytest.raises(PolicyError, match="cannot read the policy"):
        read_policy(tmp_path / name)


def test_waivers_end_on_their_day() -> None:
    """The day itself is the first on which they do not count."""
    waivers = parse_policy(WHOLE, "p").waivers
    assert waivers.cover("size.max_bytes", date(2026, 12, 31))
    assert not waivers.cover("size.max_bytes", date(2027, 1, 1))
    assert not waivers.cover("accuracy.min", date(2026, 12, 31))
