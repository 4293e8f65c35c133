"""What a person reads of a certificate fits a terminal, and holds every figure that was asked for."""

from pathlib import Path

from made_up import FLAG, certificate, threat_result

from cli.texts import WIDTH, certificate_text
from compressor.certify.certificate import Audit


def test_it_fits_a_terminal_and_leaves_nothing_out() -> None:
    """An audit, a flag and a claim of many words are wrapped; each word is still there, in order."""
    audit = Audit(num_audited=50, num_broken=1, interval=(0.0, 0.1))
    threat = threat_result(flags=(FLAG,), audit=audit)
    claim = " ".join(f"word{number}" for number in range(200))
    text = certificate_text(certificate(threats=(threat,), claim=claim), Path("certificate.json"))
    assert max(map(len, text.splitlines())) <= WIDTH
    words = " ".join(text.split())
    assert claim in words
    assert f"audit: {threat.audit_words()}" in words
    assert f"flag {FLAG.id}: {FLAG.measured}; {FLAG.advice}" in words
    assert "the battery full broke 1 of 50 random survivors, 2.0% [0.0%, 10.0%]" in words
    assert "a measured gap of about 0.8 points" in words
