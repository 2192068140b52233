"""The picture of the house, from its contract in pyproject.toml: run this to rewrite it."""

import ast
import tomllib
from pathlib import Path

from marked import filled

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- house: made by tests/house.py -->\n", "<!-- end of house -->\n"


def purpose(name: str) -> str:
    """Return the first line of a module's docstring."""
    path = ROOT / "s2rgb_mpi" / name
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return (ast.get_docstring(ast.parse(file.read_text())) or "").splitlines()[0]


def picture() -> str:
    """Return the floors as a table, the top one first: a module imports from lower floors alone."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (each["layers"] for each in contracts["contracts"] if each["type"] == "layers")
    lines = ["| floor | wing or module | purpose |", "| --- | --- | --- |"]
    for floor, names in zip(range(len(layers), 0, -1), layers, strict=True):
        for name in names.split(" | "):
            mark = "/" if (ROOT / "s2rgb_mpi" / name).is_dir() else ""
            lines.append(f"| {floor} | `{name}{mark}` | {purpose(name)} |")
    return "\n".join(lines) + "\n"


def drawn(page: str) -> str:
    """Return the page with the picture as it is now."""
    return filled(page, BEGIN, END, picture())


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
