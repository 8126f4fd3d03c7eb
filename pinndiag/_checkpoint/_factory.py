"""`factory="FILE.py:NAME"`: the user's function that returns a wrapped PINN, or the object of a framework."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from pinndiag._errors import CheckpointError
from pinndiag._terms._pinn import PINN
from pinndiag._terms._wrap import wrap

__all__ = ["EXAMPLE", "made"]

EXAMPLE = 'def make(): return pinndiag.wrap(model, {"pde": pde_loss, "bc": bc_loss})'


def made(factory: str) -> PINN:
    """The PINN that a factory returns.

    Args:
        factory: "FILE.py:NAME" or "package.module:NAME"; NAME is a function without arguments.

    Raises:
        CheckpointError: no such file, module or function, or it raises, or it returns neither a PINN nor an object that
            `pinndiag.wrap` takes alone.
    """
    source, _, name = factory.rpartition(":")
    if not source or not name.isidentifier():
        raise _error(
            f"{factory!r} does not name a factory",
            cause="the form is FILE.py:NAME, or package.module:NAME",
            fix=f'give for example factory="heat.py:make", with {EXAMPLE}',
        )
    module = _module(source)
    function = getattr(module, name, None)
    if not callable(function):
        raise _no_function(source, name, module)
    _check_signature(function, factory)
    try:
        with _importable(Path(source).resolve().parent if source.endswith(".py") else Path.cwd()):
            pinn = _wrapped(function())
    except (Exception, SystemExit) as error:
        raise _raised(f"the factory {factory}", error, source) from error
    if not isinstance(pinn, PINN):
        raise _error(
            f"the factory {factory} returned {type(pinn).__name__}, not a wrapped PINN",
            where=factory,
            cause=_hint(pinn),
            fix=f"end it with: return pinndiag.wrap(model, terms), as in {EXAMPLE}",
        )
    return pinn


def _wrapped(value: Any) -> Any:
    """The object of a framework as a PINN; anything else as it is."""
    if isinstance(value, PINN):
        return value
    from pinndiag import integrations  # built on the watch, which reading a file does not need

    return wrap(value) if integrations.known(value) else value


def _module(source: str) -> ModuleType:
    path = Path(source)
    if not source.endswith(".py"):
        try:
            with _importable(Path.cwd()):
                return importlib.import_module(source)
        except (Exception, SystemExit) as error:
            if isinstance(error, ModuleNotFoundError) and error.name and source.startswith(error.name):
                raise _error(
                    f"there is no module {source!r}",
                    cause="a typing error, or the package is not installed here",
                    fix="give a file as FILE.py:NAME, or a module that can be imported",
                ) from error
            raise _raised(f"importing {source}", error, source) from error
    if not path.is_file():
        raise _error(
            f"there is no file {source!r}",
            where=str(path.absolute()),
            cause="a typing error, or another current folder",
            fix="give the path of the Python file, and after a colon the name of the function; "
            "`pinndiag init heat.py` writes a template",
        )
    specification = importlib.util.spec_from_file_location(f"pinndiag_factory_{path.stem}", path)
    assert specification is not None  # it is None only for endings that are not Python's
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses and pickles look their module up
    try:
        with _importable(path.resolve().parent):
            specification.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[specification.name]
        raise _raised(f"importing {source}", error, source) from error
    return module


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let the file import its neighbours, as if it were run as a script."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # the user's code may have removed it
            sys.path.remove(str(folder))


def _check_signature(function: Any, factory: str) -> None:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built-in callables have none
        return
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    required = [p.name for p in parameters if p.default is p.empty and p.kind not in variadic]
    if required:
        raise _error(
            f"the factory {factory} takes arguments: {', '.join(required)}",
            where=factory,
            cause="a factory is called without arguments",
            fix="give the arguments default values, or write a function that calls it with them",
        )


def _no_function(source: str, name: str, module: ModuleType) -> CheckpointError:
    names = [n for n, v in vars(module).items() if inspect.isfunction(v) and v.__module__ == module.__name__]
    close = difflib.get_close_matches(name, names, n=1)
    has = hasattr(module, name)
    return _error(
        f"{source} has no function {name!r}" + (f": it is {type(getattr(module, name)).__name__}" if has else ""),
        where=f"its functions: {', '.join(names) or 'none'}",
        cause=f"did you mean {close[0]!r}?" if close else "a typing error, or the function has another name",
        fix=f"give the name of a function without arguments that returns a wrapped PINN: {EXAMPLE}",
    )


def _raised(doing: str, error: BaseException, source: str) -> CheckpointError:
    mine = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(Path(source).name)]
    line = f"{mine[-1].filename}, line {mine[-1].lineno}: {mine[-1].line}" if mine else doing
    if isinstance(error, SyntaxError):
        line = f"{error.filename}, line {error.lineno}"
    return _error(
        f"{doing} raised {type(error).__name__}: {error}",
        where=line,
        cause="it stops the script" if isinstance(error, SystemExit) else "the code fails on its own",
        fix="run the file by hand once and mend what it reports; keep training under `if __name__ == '__main__':`",
    )


def _hint(value: object) -> str:
    if value is None:
        return "the function has no return statement"
    if isinstance(value, nn.Module):
        return "it returns the model without its loss terms"
    if isinstance(value, tuple):
        return "it returns several values"
    return "another object was returned"


def _error(what: str, *, cause: str, fix: str, where: str = "factory") -> CheckpointError:
    return CheckpointError(what, where=where, cause=cause, fix=fix)
