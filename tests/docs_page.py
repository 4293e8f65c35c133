"""Pages as scripts: their code blocks, and a folder in which they can be run.

A block is run, or a line of its own before it says `*Not run by the tests: REASON.*`, where every reader sees it. A
block behind a line that ends in "`NAME`:" is the content of that file.
"""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from cli import app
from compressor.files import sha256_of_file

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NOT_RUN = re.compile(r"^\*Not run by the tests: (.+)\.\*$")
FILE = re.compile(r"`([\w/-]+\.\w+)`:$")
CODE = re.compile(r"# exit code (\d+)$")
LIGHT = {
    "COMPRESS_NUM_IMAGES": "60",
    "COMPRESS_BATTERY": "quick",
    "COMPRESS_EPOCHS": "1",
    "COMPRESS_TRIALS": "2",
    "COMPRESS_QUIET": "1",
}
"""Fewer images, attacks and epochs than a reader's run: the commands are those of the page."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """One code block of a page."""

    language: str
    text: str
    not_run: str
    """Why it is not run; empty where it is."""
    file: str
    """The file that it is the content of, or empty."""

    @property
    def commands(self) -> list[str]:
        """What is typed, continued lines joined."""
        joined = self.text.replace("\\\n", " ")
        return [line.removeprefix("$ ").strip() for line in joined.splitlines() if line.startswith("$ ")]


def blocks(page: Path) -> list[Block]:
    """Return the code blocks of a page, in its order."""
    text, found = page.read_text(), []
    for match in FENCE.finditer(text):
        before = text[: match.start()].rstrip().splitlines()
        last = before[-1] if before else ""
        reason, file = NOT_RUN.match(last), FILE.search(last)
        found.append(
            Block(
                language=match[1],
                text=match[2],
                not_run=reason[1] if reason else "",
                file=file[1] if file else "",
            )
        )
    return found


@dataclass(kw_only=True)
class Reader:
    """Somebody who reads a page and types what it says."""

    here: Path
    names: dict[str, str] = field(default_factory=dict)
    """What the page calls something, and what it is called here: digests differ."""

    called: dict[str, str] = field(default_factory=dict)
    """The same for the name of a bundle without its digest."""

    def follow(self, page: Path, *, but: str | None = None) -> int:
        """Type every block that is not marked, and return how many commands that were.

        Args:
            page: to follow.
            but: blocks that hold this are left to another test.
        """
        num = 0
        for block in blocks(page):
            if block.not_run or (but is not None and but in block.text):
                continue
            if block.file:
                (self.here / block.file).parent.mkdir(parents=True, exist_ok=True)
                (self.here / block.file).write_text(block.text)
            for line in block.commands:
                self.type(line)
                num += 1
        return num

    def type(self, line: str) -> None:
        """Run one line; it must end as the page says."""
        for name in sorted(self.names, key=len, reverse=True):
            line = line.replace(name, self.names[name])
        expected = int(found[1]) if (found := CODE.search(line)) else 0
        simple = line.startswith("compress ") and not re.search(r"[|>&;$*]", line.split("#")[0])
        if simple:
            code, words = app.run(shlex.split(line, comments=True)[1:]), ""
        else:
            done = subprocess.run(
                ["bash", "-c", line],
                cwd=self.here,
                env=self._environment(),
                capture_output=True,
                text=True,
                check=False,
            )
            code, words = done.returncode, done.stdout + done.stderr
        assert code == expected, f"{line}: {code}\n{words[-2000:]}"
        self.look()

    def look(self) -> None:
        """Learn what the bundles are called: of several that share a name, the last one first, then the one before."""
        names = {here: name for name, here in self.called.items()}
        for file in sorted(self.here.glob("exports/*/model.onnx"), key=lambda file: file.stat().st_mtime):
            folder, sums = file.parent.name, file.with_name("SHA256SUMS")
            stem = names.get(folder.rpartition("-")[0], folder.rpartition("-")[0])
            last = self.names.get(f"{stem}-1a2b3c4d", folder)
            if last != folder:
                self.names[f"{stem}-5e6f7a8b"] = last
            self.names[f"{stem}-1a2b3c4d"] = folder
            if sums.exists():
                self.names["8f14e45f..."] = sha256_of_file(sums)

    def _environment(self) -> dict[str, str]:
        programs = self.here / ".programs"
        if not programs.exists():
            programs.mkdir()
            for name, words in {"compress": "-m cli", "python": "", "torchrun": "-m torch.distributed.run"}.items():
                (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
                (programs / name).chmod(0o755)
        return os.environ | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        }


def photos(folder: Path) -> None:
    """Write the digits as colour photos of 16 x 16 pixels: a tree train/CLASS and test/CLASS."""
    import numpy as np
    from PIL import Image

    from compressor.data import open_data

    data = open_data("digits", preprocess=None)
    for role, num in (("train", 400), ("test", 120)):
        images = data.need(role)
        for index in range(num):
            place = folder / role / str(images.labels[index])
            place.mkdir(parents=True, exist_ok=True)
            pixels = (images.read([index])[0, 0].numpy() * 255).astype(np.uint8)
            Image.fromarray(pixels).convert("RGB").resize((16, 16)).save(place / f"{index}.png")
