"""Batteries by name and from files."""

import pytest

from compressor.attacks.threat import parse_threat
from compressor.certify.battery import (
    AUTOATTACK,
    BATTERIES,
    Assault,
    Battery,
    digest_of_attacks,
    holds_autoattack,
    read_battery,
)
from compressor.errors import OptionError

LINF = parse_threat("linf:8/255")


def test_named_batteries_are_what_they_say():
    """`full` has the four components of AutoAttack at its settings, in its order."""
    assert [attack.name for attack in AUTOATTACK] == ["apgd", "apgd-targeted", "fab-targeted", "square"]
    full = {attack.name: attack.settings for attack in read_battery("full").fitted(LINF, 10)}
    assert (full["apgd"]["loss"], full["apgd"]["num_steps"], full["apgd"]["rho"]) == ("ce", 100, 0.75)
    assert (full["apgd-targeted"]["num_targets"], full["apgd-targeted"]["num_steps"]) == (9, 100)
    assert (full["fab-targeted"]["num_targets"], full["fab-targeted"]["num_steps"]) == (9, 100)
    assert {full[name]["num_restarts"] for name in ("apgd", "apgd-targeted", "fab-targeted")} == {1}
    assert (full["square"]["num_queries"], full["square"]["p_init"], full["square"]["rescale"]) == (5000, 0.8, False)
    assert set(BATTERIES) == {"quick", "standard", "full"}


def test_what_may_be_called_autoattack():
    """`full` on ten classes or more; not with fewer targets, another setting or order, nor a weaker battery."""
    for norm in (LINF, parse_threat("l2:1/2")):
        assert holds_autoattack(BATTERIES["full"].fitted(norm, 10), norm)
        assert holds_autoattack(BATTERIES["full"].fitted(norm, 1000), norm)
        assert not holds_autoattack(BATTERIES["full"].fitted(norm, 9), norm)
        assert not holds_autoattack(BATTERIES["full"].fitted(norm, 2), norm)
        assert not holds_autoattack(BATTERIES["full"].fitted(norm, 10)[::-1], norm)
        assert not holds_autoattack(BATTERIES["standard"].fitted(norm, 10), norm)
    short = Assault(name="square", settings={"num_queries": 4999})
    assert not holds_autoattack(Battery(name="x", attacks=(*AUTOATTACK[:3], short)).fitted(LINF, 10), LINF)


def test_every_setting_is_stated():
    """Fitted attacks name each setting, so that the certificate needs no defaults."""
    for battery in BATTERIES.values():
        for attack in battery.fitted(LINF, 10):
            assert attack.settings or attack.name == "noise"
            assert all(isinstance(value, str | int | float | bool) for value in attack.settings.values())


def test_the_digest_follows_threat_and_settings():
    """Another threat, order or setting is another digest."""
    standard, quick = BATTERIES["standard"].fitted(LINF, 10), BATTERIES["quick"].fitted(LINF, 10)
    digests = {
        digest_of_attacks(standard, LINF),
        digest_of_attacks(standard, parse_threat("l2:0.5")),
        digest_of_attacks(standard[::-1], LINF),
        digest_of_attacks(quick, LINF),
        digest_of_attacks(BATTERIES["standard"].fitted(LINF, 3), LINF),
    }
    assert len(digests) == 5


@pytest.mark.parametrize(("num_classes", "name", "loss"), [(2, "apgd", "margin"), (3, "apgd", "margin")])
def test_few_classes_get_the_margin(num_classes, name, loss):
    """The targeted ratio needs four classes; below, the margin is climbed instead."""
    names = [attack.name for attack in BATTERIES["standard"].fitted(LINF, num_classes)]
    assert names == ["fgsm", "apgd", "apgd", "apgd", "apgd", "square", "noise"]
    fitted = BATTERIES["standard"].fitted(LINF, num_classes)[4]
    assert (fitted.name, fitted.settings["loss"]) == (name, loss)
    assert fitted.settings["num_steps"] == 10 * (num_classes - 1)


def test_a_list_from_a_file(tmp_path):
    """Attacks in the order of the file, whole numbers where fractions are meant."""
    path = tmp_path / "mine.toml"
    path.write_text('[[attack]]\nname = "pgd"\nnum_steps = 40\nstep_size = 1\n[[attack]]\nname = "noise"\n')
    battery = read_battery(str(path))
    assert battery.name == str(path)
    assert [attack.name for attack in battery.attacks] == ["pgd", "noise"]
    assert battery.fitted(LINF, 10)[0].settings["num_steps"] == 40


def test_a_search_in_bfloat16_is_another_battery(tmp_path):
    """It is stated, and in the digest; asking for float32 is asking for nothing."""
    path, digests = tmp_path / "mine.toml", []
    for line in ("", 'search = "fp32"\n', 'search = "bf16"\n'):
        path.write_text(f'[[attack]]\nname = "apgd-targeted"\n{line}')
        for num_classes in (10, 3):
            (attack,) = read_battery(str(path)).fitted(LINF, num_classes)
            assert attack.settings.get("search") == ("bf16" if "bf16" in line else None)
            digests.append(digest_of_attacks((attack,), LINF))
    assert digests[:2] == digests[2:4]
    assert not set(digests[4:]) & set(digests[:4])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "something else"),
        ("[[attack]]\n", "the name None"),
        ('[[attack]]\nname = "pgdd"\n', "the name 'pgdd'"),
        ('[[attack]]\nname = "pgd"\nsteps = 3\n', "no setting 'steps'"),
        ('[[attack]]\nname = "pgd"\nnum_steps = 0\n', "num_steps = 0"),
        ('[[attack]]\nname = "pgd"\nnum_steps = 2.5\n', "num_steps = 2.5"),
        ('[[attack]]\nname = "pgd"\nnum_steps = true\n', "num_steps = True"),
        ('[[attack]]\nname = "pgd"\nloss = "mse"\n', "loss = 'mse'"),
        ('[[attack]]\nname = "pgd"\nsearch = "fp16"\n', "search = 'fp16'"),
        ('[[attack]]\nname = "square"\nsearch = "bf16"\n', "no setting 'search'"),
        ('[[attack]]\nname = "torchattacks:PGD"\nsteps = [1]\n', r"steps = \[1\]"),
        ('name = "pgd"\n', "something else"),
        ("[[attack]\n", "cannot be read"),
    ],
)
def test_a_bad_list_is_refused(tmp_path, text, words):
    """With the attack and the setting at fault."""
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(OptionError, match=words):
        read_battery(str(path))


def test_an_unknown_name_is_refused():
    """With the names that there are."""
    with pytest.raises(OptionError, match="neither known nor a file") as caught:
        read_battery("strong")
    assert "standard" in caught.value.advice
