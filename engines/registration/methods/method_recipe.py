"""The recipe of a registration method, which can be sent to the process that will run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from engines.registration.methods.catalogue import MethodSettings
from engines.registration.methods.factory import make_method
from engines.registration.methods.method import RegistrationMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodRecipe:
    """A method by name: networks and renderers cannot be sent between processes, but their names can.

    Args:
        name: name of the method that `make` returns.
    """

    name: str
    make: Callable[[], RegistrationMethod]


def recipe_named(name: str, *, device: str = "cpu", refine_drr: bool = False) -> MethodRecipe:
    """The recipe of `make_method`, tried once here, so that wrong names or missing weights show before any case.

    Raises:
        InputError: there is no such method, or its library or weights are missing.
    """
    make = partial(make_method, name, MethodSettings(device=device, refine_drr=refine_drr))
    return MethodRecipe(name=make().name, make=make)
