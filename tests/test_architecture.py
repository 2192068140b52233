"""The house: import-linter holds its layers (pyproject.toml); here is what imports do not show."""

import ast
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "s2rgb_mpi"
MODULES = sorted(HOUSE.rglob("*.py"))

each_module = pytest.mark.parametrize(
    "module", MODULES, ids=lambda module: str(module.relative_to(HOUSE))
)


def wing_of(module):
    return module.relative_to(HOUSE).parts[0].removesuffix(".py")


@each_module
def test_the_first_line_says_its_purpose(module):
    purpose = ast.get_docstring(ast.parse(module.read_text()))
    assert purpose
    assert purpose.splitlines()[0].endswith(".")


def names(module):
    """List the dotted names that a file uses, such as ``sys.stdout``."""
    tree = ast.walk(ast.parse(module.read_text()))
    return {ast.unparse(node) for node in tree if isinstance(node, ast.Name | ast.Attribute)}


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("MPI.COMM_WORLD", {"__main__"}),
        ("print", {"testing"}),  # a command line of its own
        ("sys.stdout", {"report", "__main__"}),  # which opens them where they are closed
        ("sys.stderr", {"report", "__main__"}),
        ("sys.exit", {"__main__"}),
        ("os.environ", {"__main__"}),
    ],
)
def test_one_wing_alone_does_it(name, owner):
    assert {wing_of(module) for module in MODULES if name in names(module)} == owner
