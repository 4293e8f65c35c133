"""Class names from a text file."""

from pathlib import Path

from compressor.errors import LoadError


def read_labels(path: Path) -> tuple[str, ...]:
    """Read a file with one class name a line, class 0 first. Empty lines at the end do not count.

    A name may occur twice: two classes of ImageNet are called `crane`.

    Raises:
        LoadError: it cannot be read, is empty, or has an empty line in between.
    """
    advice = "write one class name a line, class 0 first"
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except OSError as error:
        raise LoadError(f"cannot read --labels {path}: {error.strerror or error}", advice=advice) from error
    except UnicodeDecodeError as error:
        raise LoadError(f"--labels {path} is not a text file", advice=advice) from error
    names = tuple(line.strip() for line in lines)
    if not names:
        raise LoadError(f"--labels {path} is empty", advice=advice)
    if "" in names:
        raise LoadError(f"--labels {path} has an empty line {names.index('') + 1}", advice=advice)
    return names
