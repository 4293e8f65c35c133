"""Open a bundle, and say whether every byte is the one that was listed.

Nothing here trusts the folder: names are checked before they are used, links are never followed, and only plain
files are opened.
"""

import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from compressor.bench.record import Latency
from compressor.bundle.names import (
    CERTIFICATE,
    EVERY,
    LABELS,
    LATENCY,
    PARITY,
    PLAIN_NAME,
    SUMS,
    VERDICT,
    bundle_digest,
    format_sums,
    parse_sums,
    required_names,
)
from compressor.certify.certificate import Certificate
from compressor.errors import BundleError
from compressor.export.record import Parity
from compressor.files import is_signature, sha256_of_file
from compressor.gate.verdict import Verdict
from compressor.records import parse

MAX_SUMS_BYTES = 1 << 20

Record = TypeVar("Record")


class What(StrEnum):
    """What can be wrong with the files of a bundle."""

    CHANGED = "changed"
    MISSING = "missing"
    EXTRA = "extra"
    NOT_CANONICAL = "not canonical"
    NOT_A_FILE = "not a plain file"
    DUPLICATE = "listed twice"
    BAD_NAME = "name that leads elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One file that is not as it should be."""

    name: str
    what: What
    detail: str
    """One sentence for a person."""

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A folder with a bundle's files. Records are read when asked for, strictly."""

    folder: Path
    names: tuple[str, ...]
    """Plain files that stand there, sorted; links and folders are left out."""
    digest: str | None
    """The bundle digest; None without a list."""

    def path(self, name: str) -> Path:
        """Return where the file is, or would be."""
        return self.folder / name

    @property
    def certificate(self) -> Certificate | None:
        """What was certified; None for a bundle that was only exported."""
        return self._record(CERTIFICATE, Certificate)

    @property
    def parity(self) -> Parity | None:
        """Whether the file answers as the torch model does."""
        return self._record(PARITY, Parity)

    @property
    def parities(self) -> dict[str, Parity]:
        """The same on every provider that was asked, by file name."""
        wanted = [name for name in self.names if _is_parity(name)]
        return {name: parse(self.path(name).read_bytes(), Parity, source=str(self.path(name))) for name in wanted}

    @property
    def latency(self) -> Latency | None:
        """How long the file takes."""
        return self._record(LATENCY, Latency)

    @property
    def verdict(self) -> Verdict | None:
        """How it was judged."""
        return self._record(VERDICT, Verdict)

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The names of the classes, in the order of the logits."""
        if LABELS not in self.names:
            return None
        text = self.path(LABELS).read_bytes().decode("utf-8", errors="replace")
        return tuple(text.removesuffix("\n").split("\n"))

    def _record(self, name: str, kind: type[Record]) -> Record | None:
        if name not in self.names:
            return None
        return parse(self.path(name).read_bytes(), kind, source=str(self.path(name)))


def _is_parity(name: str) -> bool:
    return name.startswith("parity") and name.endswith(".json") and not is_signature(name)


def open_bundle(folder: Path) -> Bundle:
    """Open a folder that holds a bundle's files.

    Raises:
        BundleError: no such folder, or none of a bundle's files is in it.
    """
    if not folder.is_dir():
        raise BundleError(f"{folder} is not a folder", advice="give the folder that `compress release` or export wrote")
    names = tuple(sorted(path.name for path in folder.iterdir() if _is_plain_file(path)))
    if not set(names) & {SUMS, *EVERY} - {"README.md"}:
        raise BundleError(
            f"{folder} holds none of a bundle's files",
            advice="give the folder itself, exports/NAME-DIGEST8, not the one above it",
        )
    has_sums = SUMS in names and (folder / SUMS).stat().st_size <= MAX_SUMS_BYTES
    digest = bundle_digest((folder / SUMS).read_bytes()) if has_sums else None
    return Bundle(folder=folder, names=names, digest=digest)


def check_sums(folder: Path) -> tuple[Problem, ...]:
    """Compare every file of the folder with `SHA256SUMS`.

    The list is made anew from what stands there. If it equals the one that stands there, byte for byte, nothing was
    changed; all else is only about telling a person what is different.

    Raises:
        BundleError: not a bundle's folder.
    """
    bundle = open_bundle(folder)
    problems = [
        Problem(name=path.name, what=What.NOT_A_FILE, detail="a link, folder or device cannot be part of a bundle")
        for path in sorted(folder.iterdir())
        if not _is_plain_file(path)
    ]
    problems += [
        Problem(name=name, what=What.BAD_NAME, detail="a bundle cannot hold a file of this name")
        for name in bundle.names
        if not PLAIN_NAME.fullmatch(name)
    ]
    if SUMS not in bundle.names:
        return (*problems, Problem(name=SUMS, what=What.MISSING, detail="the list of digests is missing"))
    if bundle.path(SUMS).stat().st_size > MAX_SUMS_BYTES:
        return (*problems, Problem(name=SUMS, what=What.NOT_CANONICAL, detail="too large to be a list of digests"))
    stated = bundle.path(SUMS).read_bytes()
    listed = tuple(name for name in bundle.names if name != SUMS and not is_signature(name))
    found = {name: sha256_of_file(bundle.path(name)) for name in listed}
    if format_sums(found) != stated:
        problems += _differences(stated, found)
    problems += [
        Problem(name=name, what=What.MISSING, detail="a bundle of this kind must hold it")
        for name in required_names(set(found))
        if name not in found and name not in {problem.name for problem in problems}
    ]
    return tuple(problems)


def _differences(stated: bytes, found: dict[str, str]) -> list[Problem]:
    """Name what differs between the list and the files; never empty when the bytes of the list differ."""
    pairs = parse_sums(stated)
    if pairs is None:
        return [Problem(name=SUMS, what=What.NOT_CANONICAL, detail="a line is not `<64 hex digits>  <name>`")]
    problems = []
    seen: dict[str, str] = {}
    for name, digest in pairs:
        if not PLAIN_NAME.fullmatch(name) or name == SUMS or is_signature(name):
            problems.append(Problem(name=name, what=What.BAD_NAME, detail="the list cannot name such a file"))
        elif name in seen:
            problems.append(Problem(name=name, what=What.DUPLICATE, detail="the list names it twice"))
        elif name not in found:
            problems.append(Problem(name=name, what=What.MISSING, detail="listed, but not there"))
        elif found[name] != digest:
            problems.append(Problem(name=name, what=What.CHANGED, detail="not the bytes that were listed"))
        seen[name] = digest
    problems += [
        Problem(name=name, what=What.EXTRA, detail="there, but not listed") for name in found if name not in seen
    ]
    if not problems:
        problems.append(Problem(name=SUMS, what=What.NOT_CANONICAL, detail="the lines are not sorted by name"))
    return problems


def _is_plain_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)
