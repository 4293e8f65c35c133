"""Outcomes: the file comes back, and every number of the certificate follows from it."""

import dataclasses

import numpy as np
import pytest
from certify_fakes import answered_by, bent, run

from compressor.archive import npz_bytes, read_npz
from compressor.attacks.threat import parse_threat
from compressor.certify.outcomes import contradictions, read_outcomes, recompute
from compressor.errors import EvidenceError
from compressor.records import to_plain

THREATS = [parse_threat("linf:2/255"), parse_threat("l2:0.3")]


@pytest.fixture(scope="module")
def certified():
    """Return a certificate and its outcomes, with a baseline."""
    model = bent()
    return run(model, answered_by(model), threats=THREATS, baseline=bent(17, seed=1))


def test_the_file_comes_back(certified):
    """Equal outcomes give equal bytes, and reading gives the outcomes."""
    _, outcomes = certified
    content = outcomes.to_bytes()
    again = read_outcomes(content)
    assert again.to_bytes() == content
    assert to_plain(recompute(again)) == to_plain(recompute(outcomes))
    assert len(again.replay.threats) == 0


def test_the_certificate_follows_from_the_outcomes(certified, tmp_path):
    """No contradiction, also when read from a file."""
    certificate, outcomes = certified
    path = tmp_path / "outcomes.npz"
    path.write_bytes(outcomes.to_bytes())
    assert contradictions(certificate, read_outcomes(path)) == ()


@pytest.mark.parametrize("place", ["slim", "dense", "logits", "labels", "digests", "names", "dense_logits"])
def test_any_change_contradicts(certified, place):
    """Turn one survivor into a victim, or one answer, label, digest or name into another: it shows."""
    certificate, outcomes = certified
    if place in ("slim", "dense"):
        broken = getattr(outcomes.threats[1], place).copy()
        broken[np.flatnonzero(broken == -1)[0]] = 1
        threats = (outcomes.threats[0], dataclasses.replace(outcomes.threats[1], **{place: broken}))
        changed = dataclasses.replace(outcomes, threats=threats)
    else:
        values = getattr(outcomes, place)
        values = list(values) if isinstance(values, tuple) else values.copy()
        values[20] = (
            {"digests": "00" * 32, "names": "x"}[place]
            if isinstance(values, list)
            else -values[20]
            if place.endswith("logits")
            else (values[20] + 1) % 5
        )
        changed = dataclasses.replace(outcomes, **{place: tuple(values) if isinstance(values, list) else values})
    found = contradictions(certificate, changed)
    assert found
    assert all("the certificate says" in line for line in found)


def test_a_changed_certificate_contradicts(certified):
    """The sentence names the number."""
    certificate, outcomes = certified
    result = dataclasses.replace(certificate.result, clean_accuracy=0.99)
    assert contradictions(dataclasses.replace(certificate, result=result), outcomes) == (
        "clean_accuracy: the certificate says 0.99, the outcomes give 0.9",
    )


def without(arrays, name):
    """Return the arrays without one."""
    return {key: value for key, value in arrays.items() if key != name}


def test_damaged_files_are_refused(certified):
    """Not an archive, cut off, an array missing, arrays of other lengths, or pickled objects."""
    _, outcomes = certified
    content = outcomes.to_bytes()
    arrays = read_npz(content)
    pickled = {**arrays, "labels": np.zeros(3, dtype=np.int64)}
    bad = [
        b"",
        b"hello",
        content[:-200],
        npz_bytes(without(arrays, "logits")),
        npz_bytes(pickled),
        npz_bytes({**arrays, "schema": np.array("compress.other/1")}),
        npz_bytes({**arrays, "slim_broken": arrays["slim_broken"] + np.int16(90)}),
        npz_bytes({**arrays, "threats": np.array(["linf:x", "l2:1"])}),
        npz_bytes({**arrays, "confidence": np.array(1.5)}),
    ]
    for damaged in bad:
        with pytest.raises(EvidenceError, match="not a record of outcomes"):
            read_outcomes(damaged)


def test_archives_have_no_time_and_no_pickle():
    """The same arrays give the same bytes; objects are refused on both ways."""
    arrays = {"a": np.arange(3), "b": np.array(["x", "yz"])}
    assert npz_bytes(arrays) == npz_bytes(dict(arrays))
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        npz_bytes({"a": np.array([object()])})
