"""JUnit XML, which every CI reads: one test case for each condition, none ever skipped.

A failed condition is a failure, an undecided one an error. Acceptance changes the verdict, not the judgement, so an
accepted condition still stands here as what it is, with the reason for accepting it in front.
"""

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from compressor.gate.verdict import Verdict
from compressor.types import Decision

ILLEGAL = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""

ELEMENTS = {Decision.FAILED: "failure", Decision.UNDECIDED: "error"}


def junit(verdict: Verdict, *, commands: Sequence[str] = ()) -> bytes:
    """Return the verdict as JUnit XML.

    Args:
        verdict: to write.
        commands: what was typed to come to this.
    """
    counts = {decision: sum(each.decision is decision for each in verdict.conditions) for decision in Decision}
    totals = {
        "name": "compress gate",
        "tests": str(len(verdict.conditions)),
        "failures": str(counts[Decision.FAILED]),
        "errors": str(counts[Decision.UNDECIDED]),
        "skipped": "0",
        "time": "0",
    }
    root = ET.Element("testsuites", totals)
    inner = ET.SubElement(root, "testsuite", totals | {"timestamp": verdict.created})
    if commands:
        properties = ET.SubElement(inner, "properties")
        for command in commands:
            ET.SubElement(properties, "property", {"name": "command", "value": _clean(command)})
    because = {each.id: each.because for each in verdict.accepted}
    for condition in verdict.conditions:
        group = _clean(condition.id.split(".", 1)[0])
        case = ET.SubElement(
            inner, "testcase", {"classname": f"compress.{group}", "name": _clean(condition.id), "time": "0"}
        )
        if condition.decision in ELEMENTS:
            accepted = f"accepted because: {because[condition.id]}; " if condition.id in because else ""
            message = _clean(accepted + condition.reason)
            kind = {"message": message, "type": str(condition.decision)}
            ET.SubElement(case, ELEMENTS[condition.decision], kind).text = message
        else:
            ET.SubElement(case, "system-out").text = _clean(condition.reason)
    ET.indent(root)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _clean(text: str) -> str:
    return ILLEGAL.sub("?", text)
