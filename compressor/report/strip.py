"""The images that broke the file by most: as they were, perturbed, what differs, and what was answered."""

from base64 import b64encode
from html import escape

from compressor.report.facts import Sample

SMALL = 96
"""Sides up to this are shown pixel by pixel; larger ones smoothly."""


def strip(samples: tuple[Sample, ...]) -> str:
    """Return one row of three pictures for each image."""
    rows = "\n".join(map(_row, samples))
    return f'<div class="strips">\n{rows}\n</div>'


def _row(sample: Sample) -> str:
    amplified = f"{sample.gain:.3g}"
    pictures = (
        (sample.clean, f"image of {sample.label}, answered {sample.clean_answer}", "clean", sample.clean_answer),
        (sample.perturbed, f"the same image perturbed, answered {sample.answer}", "perturbed", sample.answer),
        (sample.difference, f"what differs, {amplified} times as large", "difference", f"x {amplified}"),
    )
    frames = "".join(
        f"<div>{_picture(sample, content, alt)}<span>{escape(what)}</span> <b>{escape(words)}</b></div>"
        for content, alt, what, words in pictures
    )
    caption = f"{sample.label}, answered {sample.answer} under {sample.threat}"
    return (
        f'<figure class="strip"><div class="frames">{frames}</div><figcaption>{escape(caption)}</figcaption></figure>'
    )


def _picture(sample: Sample, content: bytes, alt: str) -> str:
    kind = ' class="small"' if max(sample.height, sample.width) <= SMALL else ""
    return (
        f'<img{kind} src="data:image/png;base64,{b64encode(content).decode()}" width="{sample.width}" '
        f'height="{sample.height}" alt="{escape(alt)}">'
    )
