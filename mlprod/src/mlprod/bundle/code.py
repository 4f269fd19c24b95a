"""The project's code that a bundle carries, loaded as private modules of that bundle.

So a bundle answers with the baseline(), the decide() and the classes that it was made with, after
any later change of the project.
"""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.abc import ExecutionLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType

from ..contract.model_inputs import Derive

CODE_FOLDER = "code/"


@dataclass(frozen=True)
class BundledCode:
    """Modules of a project by their names, such as `decision`, with their source texts.

    `package` is the name that they had in the project.
    """

    package: str
    sources: Mapping[str, str]

    @cached_property
    def private_package(self) -> str:
        """The name of the package of these modules in this process; it follows from their text."""
        text = "\0".join(f"{name}\0{source}" for name, source in sorted(self.sources.items()))
        return f"mlprod_bundled_{hashlib.sha256(text.encode()).hexdigest()[:24]}"

    def module(self, name: str) -> ModuleType:
        """Import a module from these sources. Any exception of its code is raised."""
        _FINDER.sources[self.private_package] = self.sources
        return import_module(f"{self.private_package}.{name}")

    @property
    def derive(self) -> Derive | None:
        """derive() of features.py; None if the bundle has no such file."""
        derive: Derive | None = (
            self.module("features").derive if "features" in self.sources else None
        )
        return derive

    def private_name(self, module_name: str) -> str:
        """Return the private name of a module of the project, and any other name unchanged."""
        package, _, rest = module_name.partition(".")
        if package != self.package or rest not in self.sources:
            return module_name
        _FINDER.sources[self.private_package] = self.sources
        return f"{self.private_package}.{rest}"


class _Finder(MetaPathFinder):
    """Finds the modules of every bundle that this process has opened."""

    def __init__(self) -> None:
        self.sources: dict[str, Mapping[str, str]] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.partition(".")
        known = self.sources.get(package)
        if known is None or (name and name not in known):
            return None
        return spec_from_loader(fullname, _Loader(known.get(name, "")), is_package=not name)


class _Loader(ExecutionLoader):
    """Loads a module from its text, which tracebacks show."""

    def __init__(self, source: str) -> None:
        self.source = source

    def get_source(self, fullname: str) -> str:
        return self.source

    def get_filename(self, fullname: str) -> str:
        """Return a path for tracebacks; there is no such file."""
        return f"{fullname.replace('.', '/')}.py"

    def is_package(self, fullname: str) -> bool:
        return "." not in fullname


_FINDER = _Finder()
sys.meta_path.append(_FINDER)
