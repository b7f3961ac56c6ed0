"""The libraries that the pages run, taken from Python packages and written beside them as classic scripts."""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

from mibench.errors import MibenchError

PLOTLY = "plotly.min.js"
TABLES = "datatables.js"
GLOBAL = "mibenchTables"
_EXPORT = re.compile(r"\bexport\s*\{([^{}]*)\}\s*;?")
_MODULE_SYNTAX = re.compile(r"(?:^|[;}\n])\s*(?:import\s*[\w{*\"']|export\s*(?:default|\{|\*|const|function|class))")


def write_bundles(folder: Path) -> None:
    """Write Plotly and DataTables into `folder`; `MibenchError` where a package lacks what is expected of it."""
    shutil.copyfile(_package_file("plotly", "package_data", "plotly.min.js"), folder / PLOTLY)
    source = _package_file("itables", "html", "dt_bundle.js").read_text(encoding="utf-8")
    (folder / TABLES).write_text(as_script(source), encoding="utf-8")


def as_script(module: str) -> str:
    """Return an ES module as a classic script, as browsers load no module from a file; its exports are in `GLOBAL`.

    Raises `MibenchError` unless the module has one export statement, a list of names, and imports nothing.
    """
    exports = list(_EXPORT.finditer(module))
    rest = _EXPORT.sub("", module)
    if len(exports) != 1 or _MODULE_SYNTAX.search(re.sub(r"/\*.*?\*/", "", rest, flags=re.DOTALL)):
        raise MibenchError(
            "the DataTables bundle of itables is not the module that mibench knows: it must end in one export of names;"
            " install the version of itables that constraints.txt names"
        )
    (found,) = exports
    pairs = [re.split(r"\s+as\s+", name.strip()) for name in found[1].split(",") if name.strip()]
    assigned = ",".join(f"{pair[-1]}:{pair[0]}" for pair in pairs)
    body = f"{module[: found.start()]}\nwindow.{GLOBAL}={{{assigned}}};\n{module[found.end() :]}"
    return f"(function(){{'use strict';\n{body}\n}})();\n"


def _package_file(package: str, *path: str) -> Path:
    """Return a file of an installed package, which is not imported."""
    spec = find_spec(package)
    file = Path(spec.origin).parent.joinpath(*path) if spec and spec.origin else None
    if file is None or not file.is_file():
        raise MibenchError(f"the pages need {'/'.join(path)} of {package}, which is not there; pip install {package}")
    return file
