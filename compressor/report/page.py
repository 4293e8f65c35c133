"""One self-contained report.html: no network, readable on a phone, light and dark.

Everything that comes from a record is escaped, and the page forbids itself to load or run anything.
"""

from collections.abc import Callable
from html import escape
from importlib.resources import files
from string import Template

from compressor.report import glance, searched, sections
from compressor.report.summary import Summary

SECTIONS: tuple[Callable[[Summary], str], ...] = (
    sections.verdict,
    sections.comparison,
    sections.conditions,
    glance.robustness,
    sections.curve,
    sections.attacks,
    sections.samples,
    sections.proved,
    sections.corruptions,
    sections.classes,
    sections.calibration,
    sections.layers,
    sections.latency,
    sections.training,
    searched.section_of,
    sections.claim,
    sections.reproduce,
)
"""In the order of the page; each returns HTML, or nothing where there is nothing to say."""


def html_page(summary: Summary) -> bytes:
    """Return the report as one HTML file."""
    title = f"{summary.name}: {summary.verdict.decision if summary.verdict else 'report'}"
    return whole_page(title, "\n".join(part for part in (section(summary) for section in SECTIONS) if part))


def whole_page(title: str, body: str) -> bytes:
    """Return one self-contained HTML file in the style of the report.

    Args:
        title: plain text.
        body: HTML; whatever came from a record is escaped in it.
    """
    here = files("compressor.report")
    template = Template((here / "page.html").read_text(encoding="utf-8"))
    style = (here / "page.css").read_text(encoding="utf-8").strip()
    return template.substitute(title=escape(title), style=style, body=body).encode()
