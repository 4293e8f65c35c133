"""What people and other programs read: records in, text, Markdown, HTML, JUnit, attestation, model card and SBOM out.

Every format is written from the same `Summary`, so that all of them say the same.
"""

from compressor.report.attestation import attestation
from compressor.report.card import model_card
from compressor.report.compared import comparison_markdown, comparison_page, comparison_text
from compressor.report.comparison import Comparison, compare
from compressor.report.facts import EpochPoint, InputFacts, LayerWidth, ModelSize, Sample
from compressor.report.junit import junit
from compressor.report.markdown import summary_markdown, verdict_markdown
from compressor.report.page import html_page
from compressor.report.sbom import sbom
from compressor.report.summary import Summary, summarise
from compressor.report.text import summary_text, verdict_text

__all__ = [
    "Comparison",
    "EpochPoint",
    "InputFacts",
    "LayerWidth",
    "ModelSize",
    "Sample",
    "Summary",
    "attestation",
    "compare",
    "comparison_markdown",
    "comparison_page",
    "comparison_text",
    "html_page",
    "junit",
    "model_card",
    "sbom",
    "summarise",
    "summary_markdown",
    "summary_text",
    "verdict_markdown",
    "verdict_text",
]
