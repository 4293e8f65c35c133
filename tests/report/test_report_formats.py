"""Every format against its golden file, and against what a hostile name could do to it.

COMPRESS_OVERWRITE_GOLDEN=1 writes the golden files anew; read the difference before you commit it.
"""

import json
import os
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from made_up import LATER, certificate, latency, parity

from compressor.gate import evidence_of, judge, parse_policy
from compressor.gate.verdict import Accepted, Verdict
from compressor.report import (
    Summary,
    attestation,
    junit,
    model_card,
    sbom,
    summarise,
    summary_markdown,
    summary_text,
    verdict_text,
)
from compressor.report.markdown import commands_markdown
from compressor.report.text import WIDTH, commands_text
from compressor.types import Decision

GOLDEN = Path(__file__).parent / "golden"

FORMATS: dict[str, Callable[[Summary, Verdict], str]] = {
    "summary.txt": lambda summary, verdict: summary_text(summary),
    "verdict.txt": lambda summary, verdict: verdict_text(verdict, commands=summary.commands),
    "summary_md.txt": lambda summary, verdict: summary_markdown(summary),
    "card_md.txt": lambda summary, verdict: model_card(summary).decode(),
    "verdict.xml": lambda summary, verdict: junit(verdict, commands=summary.commands).decode(),
    "attestation.json": lambda summary, verdict: attestation(verdict, model_sha256="a1" * 32).decode(),
}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_as_it_was(name: str, summary: Summary, verdict: Verdict) -> None:
    """A change of any report shows as a difference of its golden file."""
    written = FORMATS[name](summary, verdict)
    if os.environ.get("COMPRESS_OVERWRITE_GOLDEN"):
        (GOLDEN / name).write_text(written, encoding="utf-8")
    assert written == (GOLDEN / name).read_text(encoding="utf-8")


def test_text_fits_80_columns(summary: Summary, verdict: Verdict) -> None:
    """Also with a long threat, a long id and three columns."""
    long = replace(summary, columns=tuple(replace(each, name=each.name * 3) for each in summary.columns))
    text = summary_text(long) + verdict_text(verdict, previous=verdict, command="compress verify exports/x")
    assert max(len(line) for line in text.splitlines()) <= WIDTH
    assert "next: compress verify exports/x" in text


def test_a_verdict_tells_what_changed_since_the_previous_one(verdict: Verdict) -> None:
    """Only figures that moved are shown with what they were."""
    earlier = tuple(
        replace(each, found=0.47, decision=Decision.PASSED) if each.id == "robustness.linf-2/255.min" else each
        for each in verdict.conditions
    )
    text = verdict_text(verdict, previous=replace(verdict, conditions=earlier))
    assert text.count("before:") == 1
    assert "before: 47.0 % (passed)" in text


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("compress gate a --policy p", ["again:", "  compress gate a --policy p"]),
        (
            f"compress certify {'m' * 40} --data 'my photos' --threat linf:2/255 -o out",
            ["again:", f"  compress certify {'m' * 40} --data 'my photos' \\", "    --threat linf:2/255 -o out"],
        ),
        (f"compress gate '{'x y ' * 30}'", ["again:", "  compress gate \\", f"    '{'x y ' * 30}'"]),
        ("# seed = 7 from compress.toml", ["again:", "  # seed = 7 from compress.toml"]),
    ],
)
def test_commands_are_broken_between_arguments_only(command: str, lines: list[str]) -> None:
    """What is shown can be pasted into a shell, and gives the same arguments."""
    shown = commands_text([command])
    assert shown == lines
    pasted = "\n".join(line.removeprefix("  ") for line in shown[1:])
    assert shlex.split(pasted.replace("\\\n", ""), comments=True) == shlex.split(command, comments=True)


def test_no_command_gets_out_of_its_fence() -> None:
    """A file may be called by three backticks."""
    text = commands_markdown(["compress gate '```' x", "two\nlines"])
    assert text == "````sh\ncompress gate '```' x\ntwo lines\n````\n"


def test_a_passed_verdict_has_no_next_step() -> None:
    """Nothing blocks, so nothing needs to be explained."""
    evidence = evidence_of(certificate=certificate(), parity=parity())
    assert "next:" not in verdict_text(judge(parse_policy("[accuracy]\nmin = 0.8", "p"), evidence, now=LATER))


def test_without_a_control_nothing_is_put_down_to_pruning(summary: Summary) -> None:
    """A difference alone does not say where it comes from."""
    alone = summarise(name="x", created=LATER, certificate=certificate())
    assert "no difference can be put down to pruning" in " ".join(summary_text(alone).split())
    assert "no difference can be put down" not in " ".join(summary_text(summary).split())


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"parity": parity()},
        {"latency": latency(against=None)},
        {"latency": latency(rows=(), against=None)},
        {"certificate": certificate(baseline=None, threats=(), curve=())},
        {"certificate": certificate(per_class=()), "latency": latency(noisy=True)},
    ],
)
def test_whatever_is_missing_is_left_out(parts: dict[str, object]) -> None:
    """Every format writes what it has."""
    summary = summarise(name="x", created=LATER, **parts)  # type: ignore[arg-type]
    assert summary_text(summary)
    assert summary_markdown(summary)
    assert model_card(summary)
    assert json.loads(sbom(summary))["metadata"]["component"]["name"] == "x"


def test_junit_counts_every_condition_and_skips_none(verdict: Verdict) -> None:
    """Failed is a failure, undecided an error."""
    root = ET.fromstring(junit(verdict))
    assert root.attrib["tests"] == str(len(verdict.conditions)) == str(len(root.findall(".//testcase")))
    assert (root.attrib["failures"], root.attrib["errors"], root.attrib["skipped"]) == ("2", "2", "0")
    assert len(root.findall(".//failure")) == 2
    assert len(root.findall(".//error")) == 2


def test_junit_survives_what_xml_cannot_hold(verdict: Verdict) -> None:
    """Control characters and markup in a reason."""
    hostile = replace(verdict.conditions[0], reason="\x00\x1b[31m<b> & \ud800 ]]>")
    root = ET.fromstring(junit(replace(verdict, conditions=(hostile,))))
    assert root.find(".//system-out").text == "??[31m<b> & ? ]]>"  # type: ignore[union-attr]


def test_markdown_survives_hostile_text(verdict: Verdict, summary: Summary) -> None:
    """No table cell, tag, link or line break gets out of its place."""
    bad = "a|b\n\n# <script>alert(1)</script> [x](http://evil) `"
    hostile = replace(verdict.conditions[0], id="flag.`|\n.x", reason=bad, decision=Decision.FAILED)
    text = summary_markdown(replace(summary, name=bad, verdict=replace(verdict, conditions=(hostile,))))
    assert "<script" not in text
    assert "\n# " not in text
    assert not re.search(r"(?<!\\)\[x", text)


@pytest.mark.parametrize(
    ("decision", "accepted", "result"),
    [
        (Decision.PASSED, False, "PASSED"),
        (Decision.PASSED, True, "WARNED"),
        (Decision.FAILED, False, "FAILED"),
        (Decision.UNDECIDED, False, "FAILED"),
        (Decision.FAILED, True, "FAILED"),
    ],
)
def test_what_is_attested(verdict: Verdict, decision: Decision, accepted: bool, result: str) -> None:
    """Only a verdict without exceptions is PASSED; undecided blocks, so it is FAILED."""
    first = replace(verdict.conditions[0], decision=Decision.FAILED if accepted else decision)
    taken = (Accepted(id=first.id, because="x"),) if accepted else ()
    made = replace(verdict, decision=decision, conditions=(first,), accepted=taken)
    predicate = json.loads(attestation(made, model_sha256="00" * 32))["predicate"]
    assert predicate["result"] == result
    assert predicate["warnedTests"] == ([first.id] if accepted else [])


def test_the_statement_has_the_fields_of_its_specification(verdict: Verdict) -> None:
    """In-toto Statement v1 and test-result v0.1: these keys, no others, of these types; the digest is the file's."""
    statement = json.loads(attestation(verdict, model_sha256="a1" * 32))
    assert statement.keys() == {"_type", "subject", "predicateType", "predicate"}
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert statement["subject"] == [{"name": "model.onnx", "digest": {"sha256": "a1" * 32}}]
    predicate = statement["predicate"]
    tests = ("passedTests", "warnedTests", "failedTests")
    assert predicate.keys() == {"result", "configuration", *tests}
    assert predicate["result"] in ("PASSED", "WARNED", "FAILED")
    assert all(each.keys() == {"name", "digest"} for each in predicate["configuration"])
    assert predicate["configuration"][0]["digest"] == {"sha256": verdict.policy.sha256}
    named = [name for key in tests for name in predicate[key]]
    assert sorted(named) == sorted(each.id for each in verdict.conditions)


COMPONENT = {"type", "name", "version", "bom-ref", "hashes", "purl", "licenses", "modelCard", "pedigree", "properties",
             "data"}  # fmt: skip
CYCLONEDX = {
    "": {"$schema", "bomFormat", "specVersion", "serialNumber", "version", "metadata", "components", "dependencies"},
    "metadata": {"timestamp", "tools", "component"},
    "tools": {"components"},
    "components": COMPONENT,
    "component": COMPONENT,
    "ancestors": COMPONENT,
    "hashes": {"alg", "content"},
    "licenses": {"license"},
    "license": {"id", "name"},
    "modelCard": {"modelParameters", "quantitativeAnalysis", "considerations"},
    "modelParameters": {"task", "modelArchitecture", "datasets", "inputs", "outputs"},
    "datasets": {"ref"},
    "inputs": {"format"},
    "outputs": {"format"},
    "quantitativeAnalysis": {"performanceMetrics"},
    "performanceMetrics": {"type", "value", "slice", "confidenceInterval"},
    "confidenceInterval": {"lowerBound", "upperBound"},
    "considerations": {"technicalLimitations"},
    "pedigree": {"ancestors"},
    "properties": {"name", "value"},
    "data": {"type", "name", "description"},
    "dependencies": {"ref", "dependsOn"},
}
"""Fields of CycloneDX 1.6, by the key they stand under. Its schema allows no others there."""


def _objects(value: Any, key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield key, value
        for name, inner in value.items():
            yield from _objects(inner, name)
    elif isinstance(value, list):
        for each in value:
            yield from _objects(each, key)


@pytest.mark.parametrize("parts", ["all", "no certificate"])
def test_the_bill_of_materials_has_the_fields_of_its_schema(summary: Summary, parts: str) -> None:
    """Every object holds only keys of CycloneDX 1.6; where its validator is installed, the schema itself is asked."""
    if parts == "no certificate":
        summary = replace(summary, certificate=None, image=None)
    content = sbom(summary).decode()
    for key, each in _objects(json.loads(content)):
        assert each.keys() <= CYCLONEDX[key], key
        assert None not in each.values()
    try:
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator
    except ImportError:
        return
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(content) is None


def test_the_bill_of_materials_is_deterministic_and_holds_the_figures(summary: Summary) -> None:
    """CycloneDX 1.6 with a model card; checked once against the official schema."""
    document = json.loads(sbom(summary))
    assert sbom(summary) == sbom(summary)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    model = document["metadata"]["component"]
    assert model["type"] == "machine-learning-model"
    assert model["hashes"] == [{"alg": "SHA-256", "content": "a1" * 32}]
    metrics = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert metrics[2] == {
        "type": "robust accuracy",
        "value": "0.412",
        "slice": "linf:2/255, battery standard",
        "confidenceInterval": {"lowerBound": "0.381", "upperBound": "0.443"},
    }
    references = {each["bom-ref"] for each in document["components"]} | {model["bom-ref"]}
    assert {document["dependencies"][0]["ref"], *document["dependencies"][0]["dependsOn"]} <= references
