"""A page in headless Chromium: a picture of it, and what its style sheets came to at some width in some theme."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
DARK = "--blink-settings=preferredColorScheme=0"

HARNESS = Path(__file__).with_name("harness.html")
"""Holds the page in a frame of the width that is asked for, and asks the frame; the page itself may run no script."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a browser made of a page."""

    ground: str
    """Colour of the page."""
    overhang: int
    """By how many pixels it can be scrolled sideways."""
    outside: tuple[str, ...]
    """Elements that reach beyond the frame and stand in nothing that scrolls."""
    contrasts: tuple[tuple[float, str], ...]
    """Of every text with its ground (WCAG 2.1), and the text."""
    pictures: tuple[int, ...]
    """Width of each picture as loaded; 0 for one that was not."""
    unspoken: tuple[str, ...]
    """Pictures and drawings without a text in their place."""
    letters: tuple[tuple[float, str], ...]
    """Height of every text of a drawing in CSS pixels, and the text."""
    cut: tuple[str, ...]
    """Texts of drawings that reach beyond the frame."""
    overlaps: tuple[str, ...]
    """Texts of a drawing that lie on each other."""
    focused: tuple[tuple[str, bool], ...]
    """Everything the keyboard can reach, in order, and whether one sees that it is there."""


def browser() -> str:
    """Return the browser of this machine; skip where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    return found


def _run(folder: Path, *arguments: str) -> str:
    line = [browser(), *FLAGS, f"--user-data-dir={folder / 'profile'}", *arguments]
    return subprocess.run(line, check=True, capture_output=True, text=True, timeout=120).stdout


def look(page: str, folder: Path, *, width: int, dark: bool) -> Seen:
    """Open a page in a frame.

    Args:
        page: HTML.
        folder: for files of the browser.
        width: of the frame, in CSS pixels.
        dark: whether the reader asks for dark colours.
    """
    text = HARNESS.read_text(encoding="utf-8").replace("PAGE", html.escape(page)).replace("WIDTH", str(width))
    (folder / "harness.html").write_text(text, encoding="utf-8")
    dom = _run(folder, *([DARK] if dark else []), "--dump-dom", (folder / "harness.html").as_uri())
    (told,) = re.findall(r'<pre id="told">(.*?)</pre>', dom, flags=re.DOTALL)
    found: dict[str, Any] = json.loads(html.unescape(told))
    return Seen(**{key: _tuples(value) for key, value in found.items()})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def screenshot(page: str, folder: Path, *, width: int, dark: bool) -> Path:
    """Return a PNG of the upper 3,000 pixels of a page."""
    (folder / "page.html").write_text(page, encoding="utf-8")
    path = folder / "page.png"
    size = f"--window-size={width},3000"
    _run(folder, *([DARK] if dark else []), size, f"--screenshot={path}", (folder / "page.html").as_uri())
    return path
