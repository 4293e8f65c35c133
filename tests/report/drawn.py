"""What stands in the drawings of a page: their words, their marks by kind, and where these lie."""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass


@dataclass(frozen=True)
class Drawn:
    """One drawing."""

    root: ET.Element

    @property
    def spoken(self) -> str:
        """What it shows, in words."""
        return str(self.root.get("aria-label"))

    @property
    def texts(self) -> list[str]:
        """Its words, in order."""
        return [str(each.text) for each in self._all("text")]

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in CSS pixels at its natural size."""
        _, _, width, height = map(float, str(self.root.get("viewBox")).split())
        return width, height

    def marks(self, kind: str) -> list[ET.Element]:
        """Return what was drawn of a kind: paths, and places of a mark."""
        groups = [each for each in self._all("g") if each.get("class") == kind]
        found = [mark for group in groups for mark in group.iter()]
        hidden = {id(mark) for part in self._all("defs") for mark in part.iter()}
        return [mark for mark in found if _tag(mark) in ("path", "use") and id(mark) not in hidden]

    def count(self, kind: str) -> int:
        """Return how many marks of a kind there are."""
        return len(self.marks(kind))

    def dots(self, kind: str) -> list[tuple[float, float]]:
        """Return the middles of marks that lie at a place."""
        return [
            (float(mark.get("x", "nan")), float(mark.get("y", "nan"))) for mark in self.marks(kind) if mark.get("x")
        ]

    def paths(self, kind: str) -> list[list[tuple[float, float]]]:
        """Return the corners of lines."""
        numbers = [re.findall(r"-?[\d.]+", mark.get("d", "")) for mark in self.marks(kind) if mark.get("d")]
        return [[(float(x), float(y)) for x, y in zip(row[::2], row[1::2], strict=True)] for row in numbers]

    def opacities(self, kind: str) -> list[float]:
        """Return how full in colour each line is."""
        return [float(mark.get("stroke-opacity", "1")) for mark in self.marks(kind)]

    def _all(self, tag: str) -> list[ET.Element]:
        return [each for each in self.root.iter() if _tag(each) == tag]


def _tag(node: ET.Element) -> str:
    return node.tag.rpartition("}")[2]


def drawings(page: str) -> list[Drawn]:
    """Return the drawings of a page, or one that stands for itself."""
    return [Drawn(ET.fromstring(each)) for each in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)]
