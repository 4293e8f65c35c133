"""Optuna's database: is Optuna there, can the database be opened, and Optuna's own words kept to itself."""

import contextlib
import time
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from compressor.errors import MachineError, OptionError, first_line

WAIT_SECONDS = 100
"""For another process that is writing into an SQLite file."""

ATTEMPTS = 5
"""Processes that come to an empty database at once all make its tables; those that come second find them there."""

BETWEEN_SECONDS = 0.5

MADE_MEANWHILE = ("already exists", "duplicate key", "Duplicate entry", "UNIQUE constraint")
"""How databases call a table or a row that another process made first."""


def check_engine() -> None:
    """Refuse to search where Optuna is not installed.

    Raises:
        MachineError: with the command that installs it.
    """
    if find_spec("optuna") is None:
        raise MachineError(
            "compress search needs the package optuna, which is not installed here",
            advice="pip install 'optuna>=5'",
        )


def storage_at(url: str) -> Any:
    """Open a database.

    Raises:
        OptionError: that cannot be done, with the reason.
    """
    with calmly(url):
        from optuna.storages import RDBStorage

        arguments = {"connect_args": {"timeout": WAIT_SECONDS}} if url.startswith("sqlite") else {}
        for _ in range(ATTEMPTS - 1):
            try:
                return RDBStorage(url, engine_kwargs=arguments)
            except Exception as error:
                if not any(word in str(error) for word in MADE_MEANWHILE):
                    raise
                time.sleep(BETWEEN_SECONDS)
        return RDBStorage(url, engine_kwargs=arguments)


def check_storage(url: str) -> None:
    """Refuse a database that cannot be opened, before anything else is looked at.

    Raises:
        OptionError: with the reason.
    """
    storage = storage_at(url)
    storage.remove_session()
    storage.engine.dispose()


@contextlib.contextmanager
def calmly(url: str | None = None) -> Iterator[None]:
    """Keep Optuna's words to itself; what a database says against being opened becomes one sentence.

    Args:
        url: of a database that is opened inside.
    """
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except OptionError:
        raise
    except Exception as error:
        if url is None:
            if type(error).__module__.partition(".")[0] in ("optuna", "sqlalchemy"):
                raise MachineError(
                    f"the database of the search does not answer: {_reason(error)}",
                    advice="the same command goes on where it was, once it does",
                ) from error
            raise
        raise OptionError(
            f"--storage {_without_password(url)} cannot be opened: {_reason(error)}", advice=_advice(error)
        ) from error
    finally:
        optuna.logging.set_verbosity(before)


def _cause(error: Exception) -> BaseException:
    return error.__cause__ if error.__cause__ is not None else error


def _advice(error: Exception) -> str:
    cause = _cause(error)
    if isinstance(cause, ModuleNotFoundError):
        return f"install the driver that has the module {cause.name}: for PostgreSQL pip install 'psycopg[binary]'"
    return "give a URL such as sqlite:///search.db or postgresql://host/name, or leave it out"


def _reason(error: Exception) -> str:
    cause = _cause(error)
    return first_line(getattr(cause, "orig", None) or cause)


def _without_password(url: str) -> str:
    scheme, slashes, rest = url.partition("://")
    login, at, place = rest.rpartition("@")
    return f"{scheme}{slashes}{login.split(':')[0]}{at}{place}" if at else url
