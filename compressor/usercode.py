"""Import a user's own code, which a spec like `package.module:factory` or `path/to/file.py:factory` names."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from compressor.files import sha256_of_bytes


def import_file(path: Path) -> ModuleType:
    """Run a Python file once per content, so that two imports give the same classes.

    Args:
        path: an existing file; its folder can be imported from while it runs.

    Raises:
        Exception: whatever the file raises.
    """
    name = f"compress_user_{sha256_of_bytes(str(path.resolve()).encode() + path.read_bytes())[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with _importable(path.resolve().parent):
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return module


def import_module(name: str) -> ModuleType:
    """Import a module by its dotted name, also from the current folder.

    Raises:
        Exception: whatever the import raises.
    """
    with _importable(Path.cwd()):
        return importlib.import_module(name)


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let imports find a folder, last of all places so that it shadows nothing."""
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
