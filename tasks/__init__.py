"""The built-in distributions, one family a file; found through entry points.

Python binds a package's name on its parent when the package is imported, which would put this module in the place of
the function ``mibench.tasks``. So the package can be called, and is that function.
"""

import sys
from types import ModuleType

import mibench


class _CallablePackage(ModuleType):
    def __call__(self, *patterns: str) -> "list[mibench.Task]":
        from mibench.api import tasks

        return tasks(*patterns)


sys.modules[__name__].__class__ = _CallablePackage
