"""Architectures that are a user's own code: `package.module:factory` and `path/to/file.py:factory`."""

import difflib
import inspect
from pathlib import Path

from torch import nn
from torch.nn.parameter import is_lazy

from compressor.errors import LoadError
from compressor.load.checkpoint import Arguments
from compressor.usercode import import_file, import_module


class ClassesNeeded(LoadError):
    """A factory lacks the number of classes only, which the weights of a file can tell."""


def call_factory(place: str, name: str, arguments: Arguments) -> nn.Module:
    """Import a user's code and call a function or class in it, with those arguments that it takes.

    Args:
        place: `package.module` (found on the import path or in the current folder) or a path that ends in `.py`.
        name: of the function or class.
        arguments: num_classes and others; what the factory does not take is left out.

    Raises:
        ClassesNeeded: it takes num_classes without a default, and nobody said it.
        LoadError: no such place or name, the code raises, or what it returns is no module.
    """
    text = f"{place}:{name}"
    try:
        if place.endswith(".py") and not Path(place).is_file():
            raise LoadError(f"--arch {place}: there is no such file", advice="check the path before the colon")
        module = import_file(Path(place)) if place.endswith(".py") else import_module(place)
        factory = getattr(module, name, None)
        if not callable(factory):
            names = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
            close = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or names[:5]
            raise LoadError(f"{place} has no {name!r} to call", advice=f"it has {', '.join(close) or 'none'}")
        accepted = inspect.signature(factory).parameters
        needed = [
            key
            for key, each in accepted.items()
            if each.default is each.empty and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        ]
        missing = [key for key in needed if key not in arguments]
        if missing:
            kind = ClassesNeeded if missing == ["num_classes"] else LoadError
            raise kind(
                f"--arch {text} needs {', '.join(missing)}", advice="give its parameters defaults, or say --num-classes"
            )
        takes_all = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in accepted.values())
        model = factory(**{key: value for key, value in arguments.items() if takes_all or key in accepted})
    except LoadError:
        raise
    except (Exception, SystemExit) as error:
        raise LoadError(
            f"--arch {text} failed: {type(error).__name__}: {error}", advice="run the factory on its own and mend it"
        ) from error
    if not isinstance(model, nn.Module):
        raise LoadError(
            f"--arch {text} gave a {type(model).__name__}", advice="the factory must return a torch.nn.Module"
        )
    if any(is_lazy(parameter) for parameter in model.parameters()):
        raise LoadError(
            f"--arch {text} gave lazy layers, whose sizes are not known",
            advice="run the network once in the factory, or give its layers their sizes",
        )
    return model
