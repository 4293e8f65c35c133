"""Where an option's value comes from: flag, COMPRESS_* variable, --config, ./compress.toml, pyproject, default.

A file holds options by their long name. Top-level keys serve every command that has them; a table named
after a command serves that command and wins:

    arch = "cifar:resnet20"
    [prune]
    ratio = 0.5
"""

import difflib
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.options import FLAG_ONLY
from compressor.errors import OptionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value from a file."""

    value: Any
    source: str
    """The file it stands in."""


def settings_for(command: str, options: Mapping[str, Collection[str]], config: Path | None) -> dict[str, Setting]:
    """Collect what files say about one command.

    Args:
        command: its name.
        options: per command, the names of its options (`num_images`).
        config: the file given by --config, which must exist.

    Raises:
        OptionError: an unreadable file, an unknown option, or one that only a flag may set.
    """
    everywhere = {name for names in options.values() for name in names}
    found: dict[str, Setting] = {}
    for path, table in _tables(config):
        own = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
        for key in table.keys() - own.keys():
            _check_command(path, key, options)
        for values, known, owner in (
            (own, everywhere, "any command"),
            (table.get(command, {}), options[command], f"compress {command}"),
        ):
            for key, value in values.items():
                name = _checked(path, key, known, owner)
                if name in options[command]:
                    found[name] = Setting(value=value, source=str(path))
    return found


def _checked(path: Path, key: str, known: Collection[str], owner: str) -> str:
    """Return the option that a key stands for, or say why it stands for none."""
    name = key.replace("-", "_")
    if name in FLAG_ONLY:
        raise OptionError(
            f"{path} sets {key!r}, which only a flag may set",
            advice=f"remove it there and give --{name.replace('_', '-')} on the command line",
        )
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0].replace('_', '-')!r}?" if close else ""
        raise OptionError(
            f"{path} sets {key!r}, which is no option of {owner}{hint}", advice="compress config lists them all"
        )
    return name


def _tables(config: Path | None) -> list[tuple[Path, dict[str, Any]]]:
    """Return the files in rising precedence."""
    tables = []
    pyproject, local = Path("pyproject.toml"), Path("compress.toml")
    if pyproject.is_file():
        tables.append((pyproject, _read(pyproject).get("tool", {}).get("compress", {})))
    if local.is_file():
        tables.append((local, _read(local)))
    if config is not None:
        if not config.is_file():
            raise OptionError(f"--config {config} is not a file", advice="give the path of a TOML file")
        tables.append((config, _read(config)))
    return tables


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"{path} is not TOML: {error}", advice="mend the file, or remove it") from error


def _check_command(path: Path, key: str, commands: Collection[str]) -> None:
    if key not in commands:
        close = difflib.get_close_matches(key, commands, n=1)
        hint = f"; did you mean [{close[0]}]?" if close else ""
        raise OptionError(
            f"{path} has a table [{key}], but there is no such command{hint}", advice="see compress --help"
        )
