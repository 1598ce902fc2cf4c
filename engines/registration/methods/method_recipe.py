"""A registration method that is yet to be made: what travels to where the method will work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from engines.registration.methods.factory import make_method
from engines.registration.methods.method import RegistrationMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodRecipe:
    """Networks and renderers cannot travel between processes, their names can.

    Args:
        name: of the method that `make` gives.
    """

    name: str
    make: Callable[[], RegistrationMethod]


def recipe_named(name: str, *, device: str = "cpu", refine_drr: bool = False) -> MethodRecipe:
    """As `make_method`, which is tried once here, so that a wrong name or missing weights show before any case.

    Raises:
        InputError: no such method, or a library or weights that are not there.
    """
    make = partial(make_method, name, device=device, refine_drr=refine_drr)
    return MethodRecipe(name=make().name, make=make)
