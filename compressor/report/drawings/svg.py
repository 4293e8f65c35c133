"""From the library's SVG to an element that a page can hold: small, themed, and with nothing that reaches beyond it."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from itertools import pairwise

Told = Mapping[str, Sequence[str]]
"""What each mark of a kind says, in the order drawn."""

NAMESPACE = "http://www.w3.org/2000/svg"
OWN_ID = re.compile(r"[\w.]+_\d+")
"""Ids that the library gives by itself. All others are kinds, which we gave."""
NUMBER = re.compile(r"-?\d+\.\d+(?:e-\d+)?")
UPRIGHT = re.compile(r"rotate\(-?0 ")
DROPPED = ("metadata", "style", "clipPath")
INHERITED = (
    "fill",
    "stroke",
    "stroke-width",
    "stroke-dasharray",
    "stroke-opacity",
    "stroke-linejoin",
    "font-size",
    "text-anchor",
)
UNSAID = {("stroke-dashoffset", "0"), ("text-anchor", "start"), ("opacity", "1")}


def tidied(
    content: bytes,
    *,
    name: str,
    spoken: str,
    paints: Mapping[str, str] | None = None,
    dark: Mapping[str, str] | None = None,
    told: Told | None = None,
    stands_alone: bool = False,
) -> str:
    """Return the element: no size, no style of the library, coordinates to a tenth, a class for each kind of mark.

    Args:
        content: what the library wrote.
        name: begins every id, so that ids are unique on a page.
        spoken: for those who hear it.
        paints: what stands for a colour.
        dark: a second colour for each, by a rule of the element's own.
        told: titles of marks, by kind.
        stands_alone: with a size and a font of its own.
    """
    root = ET.fromstring(content)  # noqa: S314 - the library wrote it just now
    ids: dict[str, str] = {}
    drawn = _cleaned(root, name, ids, paints or {})
    for kind, words in (told or {}).items():
        _tell(drawn, kind, words)
    _hoist(drawn)
    element = ET.Element("svg", {"viewBox": str(root.get("viewBox")), "role": "img", "aria-label": printable(spoken)})
    if stands_alone:
        width, height = str(root.get("viewBox")).split()[2:]
        element.attrib |= {"width": width, "height": height, "font-family": "system-ui, sans-serif"}
    if dark:
        ET.SubElement(element, "style").text = _rules(dark)
    element.extend(drawn)
    return ET.tostring(element, encoding="unicode")


def as_file(drawing: str) -> bytes:
    """Return a drawing that stands for itself as the content of a file; inside HTML it needs no namespace."""
    return (drawing.replace("<svg ", f'<svg xmlns="{NAMESPACE}" ', 1) + "\n").encode()


def printable(text: str) -> str:
    """Return a text without what neither XML nor one line can hold."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def _cleaned(node: ET.Element, name: str, ids: dict[str, str], paints: Mapping[str, str]) -> ET.Element:
    """Return a copy without namespaces, empty groups and the library's own style."""
    made = ET.Element(_tag(node), _attributes(node, name, ids, paints))
    made.text = node.text if made.tag == "text" else None
    for child in node:
        if _tag(child) in DROPPED:
            continue
        part = _cleaned(child, name, ids, paints)
        if part.tag == "g" and not part.attrib:
            made.extend(part)
        elif part.tag not in ("g", "defs") or len(part):
            made.append(part)
    return made


def _tag(node: ET.Element) -> str:
    return node.tag.rpartition("}")[2]


def _attributes(node: ET.Element, name: str, ids: dict[str, str], paints: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for key, value in node.attrib.items():
        match key.rpartition("}")[2]:
            case "id" if _tag(node) == "g":
                if not OWN_ID.fullmatch(value):
                    found["class"] = value
            case "id":
                ids[value] = f"{name}-{len(ids)}"
                found["id"] = ids[value]
            case "href":
                found["href"] = f"#{ids[value.removeprefix('#')]}"
            case "style":
                found |= _style(value, paints)
            case "d" | "x" | "y":
                found[key] = _rounded(value)
            case "transform" if not UPRIGHT.match(value):
                found[key] = _rounded(value)
    return found


def _style(text: str, paints: Mapping[str, str]) -> dict[str, str]:
    pairs = [tuple(part.strip() for part in each.split(":", 1)) for each in text.split(";")]
    kept = {key: value for key, value in pairs if (key, value) not in UNSAID and key != "font-family"}
    return {key: paints.get(value, value).removesuffix("px") for key, value in kept.items()}


def _rounded(text: str) -> str:
    """Return numbers to a tenth of a pixel, and as little as possible between them."""
    short = NUMBER.sub(lambda match: f"{round(float(match[0]), 1) + 0.0:g}", " ".join(text.split()))
    return re.sub(r" ?([MLCQz]) ?", r"\1", short)


def _tell(drawn: ET.Element, kind: str, words: Sequence[str]) -> None:
    marks = [mark for group in drawn.iter("g") if group.get("class") == kind for mark in group.iter("use")]
    for mark, text in zip(marks, words, strict=True):
        ET.SubElement(mark, "title").text = printable(text)


def _hoist(node: ET.Element) -> None:
    """Say once on a group what all in it say, and make one group of neighbours that say the same."""
    for child in node:
        _hoist(child)
    marks = [child for child in node if child.tag != "defs"]
    if node.tag == "g" and marks:
        for key in INHERITED:
            values = {child.get(key) for child in marks}
            if len(values) == 1 and None not in values and key not in node.attrib:
                node.set(key, str(marks[0].get(key)))
                for child in marks:
                    del child.attrib[key]
    parts = list(node)
    for last, part in pairwise(parts):
        if part.tag == last.tag == "g" and part.attrib == last.attrib:
            part[:0] = list(last)
            node.remove(last)


def _rules(dark: Mapping[str, str]) -> str:
    rules = "".join(
        f'[fill="{light}"]{{fill:{other}}}[stroke="{light}"]{{stroke:{other}}}' for light, other in dark.items()
    )
    return f"@media(prefers-color-scheme:dark){{{rules}}}"
