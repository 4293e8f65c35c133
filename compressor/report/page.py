"""One self-contained report.html: no network, readable on a phone, light and dark.

Everything that comes from a record is escaped, and the page forbids itself to load or run anything.
"""

from collections.abc import Callable
from html import escape
from importlib.resources import files
from string import Template

from compressor.report import sections
from compressor.report.summary import Summary

SECTIONS: tuple[Callable[[Summary], str], ...] = (
    sections.verdict,
    sections.comparison,
    sections.conditions,
    sections.robustness,
    sections.curve,
    sections.attacks,
    sections.classes,
    sections.layers,
    sections.latency,
    sections.training,
    sections.claim,
    sections.reproduce,
)
"""In the order of the page; each returns HTML, or nothing where there is nothing to say."""


def html_page(summary: Summary) -> bytes:
    """Return the report as one HTML file."""
    here = files("compressor.report")
    template = Template((here / "page.html").read_text(encoding="utf-8"))
    page = template.substitute(
        title=escape(f"{summary.name}: {summary.verdict.decision if summary.verdict else 'report'}"),
        style=(here / "page.css").read_text(encoding="utf-8").strip(),
        body="\n".join(part for part in (section(summary) for section in SECTIONS) if part),
    )
    return page.encode()
