"""The house: import-linter holds its layers (pyproject.toml); here is what imports do not show."""

import ast
import re
from pathlib import Path

import pytest

import house

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


@each_module
def test_a_file_can_be_held(module):
    assert len(module.read_text().splitlines()) <= 300


@each_module
def test_a_function_can_be_seen_at_once(module):
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            ends = [statement.end_lineno or 0 for statement in body]
            assert not body or ends[-1] - body[0].lineno < 60, node.name


def test_wings_list_their_modules():
    for wing in HOUSE.glob("*/__init__.py"):
        words = re.findall(r"[\w/]+", ast.get_docstring(ast.parse(wing.read_text())) or "")
        inside = {path.stem for path in wing.parent.glob("[a-z]*.py")}
        inside |= {f"{path.parent.name}/" for path in wing.parent.glob("*/__init__.py")}
        assert inside <= set(words), wing


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


def test_importing_configures_nothing():
    for module in MODULES:
        for node in ast.parse(module.read_text()).body:
            is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            acts = isinstance(node, ast.Expr | ast.For | ast.While | ast.With) and not is_text
            assert not acts or module.name == "__main__.py", ast.unparse(node)


def test_gdal_is_configured_in_one_room():
    settings = {
        "UseExceptions",
        "SetConfigOption",
        "SetErrorHandler",
        "PushErrorHandler",
        "SetCacheMax",
        "Deregister",
    }
    for module in MODULES:
        used = {name.rpartition(".")[2] for name in names(module)}
        allowed = {"gdalenv.py": settings, "vsi.py": {"SetConfigOption"}}  # what a server allows
        assert used & settings <= allowed.get(module.name, set()), module


def test_the_picture_of_the_house_is_that_of_its_contract():
    page = house.PAGE.read_text()
    assert page == house.drawn(page), "run tests/house.py"
