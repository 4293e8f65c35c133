"""No byte of a whole bundle can be changed, and no file taken away, added or swapped: exit code 3 each time."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from real_bundle import POLICY

import compressor
from cli.app import run
from compressor.bundle import names
from compressor.bundle.names import SUMS
from compressor.finetune import Recipe
from compressor.task import Cut, Place, Task

WHOLE = {*names.JUDGED, names.PLAN, SUMS}
"""Every file of the bundle that the tests share."""


def changed(content: bytes, num_random: int) -> Iterator[tuple[int, bytes]]:
    """Yield (place, content with that byte changed): the first, the last, and random ones, by one bit or by all."""
    generator = np.random.default_rng(0)
    for place in {0, len(content) - 1, *generator.integers(0, len(content), num_random).tolist()}:
        for mask in (0x01, 0xFF):
            yield place, content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :]


def check_bytes(path: Path, capsys: pytest.CaptureFixture[str], *, num_random: int) -> None:
    """Change bytes of a file of a bundle, and put them back."""
    content = path.read_bytes()
    for place, forged in changed(content, num_random):
        path.write_bytes(forged)
        assert run(["verify", str(path.parent), "--quiet"]) == 3, f"byte {place} of {path.name}"
        said = capsys.readouterr().out
        assert said.startswith("contradicted  digests")
        assert path.name in said or path.name == SUMS
    path.write_bytes(content)


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_changed_byte_of_any_file_is_3(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In every file of the bundle, and the message names the file."""
    assert {path.name for path in folder.iterdir()} == WHOLE
    check_bytes(folder / name, capsys, num_random=2)


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_missing_file_is_3(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Also the list itself."""
    (folder / name).unlink()
    assert run(["verify", str(folder), "--quiet"]) == 3
    assert name in capsys.readouterr().out


def _add(folder: Path) -> None:
    (folder / "notes.txt").write_text("trust me")


def _swap(folder: Path) -> None:
    one, two = folder / names.CERTIFICATE, folder / names.PARITY
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def _cut(folder: Path) -> None:
    path = folder / names.OUTCOMES
    path.write_bytes(path.read_bytes()[:-1])


def _grow(folder: Path) -> None:
    with (folder / names.MODEL).open("ab") as file:
        file.write(b"\0")


def _link(folder: Path) -> None:
    elsewhere = folder.parent / "elsewhere"
    (folder / names.MODEL).rename(elsewhere)
    (folder / names.MODEL).symlink_to(elsewhere)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (_add, "notes.txt"),
        (_swap, names.CERTIFICATE),
        (_cut, names.OUTCOMES),
        (_grow, names.MODEL),
        (_link, names.MODEL),
    ],
)
def test_an_extra_swapped_cut_grown_or_linked_file_is_3(
    folder: Path, damage: Callable[[Path], None], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the file."""
    damage(folder)
    assert run(["verify", str(folder), "--quiet"]) == 3
    assert named in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.usefixtures("brief_benchmarks")
def test_a_changed_byte_of_a_released_bundle_is_3(
    digits_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A whole release, with history and control: every file, first, last and three random bytes."""
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.replace("0.3", "0.01") + '[[latency]]\nmax_p50_ms = 1000\n[evidence]\nbattery = "quick"\n')
    task = Task(
        data="digits",
        policy=policy,
        cut=Cut(ratio=0.3),
        recipe=Recipe(epochs=1, batch_size=64),
        control=True,
        num_images=60,
        output=tmp_path / "exports",
        place=Place(work_dir=tmp_path / "work"),
    )
    folder = compressor.release(digits_checkpoint, task).bundle
    expected = {*names.EVERY, SUMS} - {names.MODEL_ORT, names.TRIALS}
    assert {path.name for path in folder.iterdir()} == expected
    for path in sorted(folder.iterdir()):
        check_bytes(path, capsys, num_random=3)
    assert run(["verify", str(folder), "--quiet"]) == 0
