"""The house: a room imports only from lower shelves, and few rooms know the outside."""

import ast
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "s2rgb_mpi"
MODULES = sorted(HOUSE.rglob("*.py"))

SHELVES = (
    {"__init__", "redact", "timing"},
    {"errors"},
    {"findings", "grid", "lock", "profile", "radiometry", "report", "signals"},
    {
        "geotiff",
        "job",
        "jobfile",
        "offsets",
        "overviews",
        "product",
        "protocol",
        "seams",
        "waiting",
    },
    {"edges", "encode", "journal", "options", "scene", "shares", "source"},
    {"news", "plan"},
    {"tags"},
    {"border", "claim", "helpers", "memory", "output", "survival", "watch"},
    {"render"},
    {"coordinator", "worker", "writer", "cli", "conclusion", "advice"},
    {"__main__"},
)
OUTSIDE = {
    "radiometry": {"numpy"},
    "report": {"tqdm", "matplotlib"},
    "waiting": {"numpy"},
    "product": {"numpy", "osgeo", "pystac"},
    "protocol": {"numpy"},
    "offsets": {"numpy"},
    "seams": {"numpy"},
    "encode": {"osgeo", "numpy"},
    "overviews": {"numpy"},
    "geotiff": {"osgeo", "tifffile", "numpy"},
    "source": {"numpy"},
    "scene": {"numpy", "osgeo", "pyproj"},
    "render": {"numpy"},
    "worker": {"numpy"},
    "writer": {"numpy"},
    "border": {"numpy"},
    "journal": {"numpy"},
    "output": {"numpy"},
    "conclusion": {"osgeo", "mpi4py", "numpy"},
    "survival": {"mpi4py", "numpy"},
    "__main__": {"mpi4py"},
}
"""Packages beyond the standard library that a room may import; the rooms not named, none."""


def room_of(module):
    return module.relative_to(HOUSE).parts[0].removesuffix(".py")


def shelf_of(room):
    return next(number for number, rooms in enumerate(SHELVES) if room in rooms)


def imports(module):
    """List the modules that a file imports when it runs, and those it imports for types alone."""
    tree = ast.parse(module.read_text())
    for_types = {
        node
        for guard in ast.walk(tree)
        if isinstance(guard, ast.If) and ast.unparse(guard.test) == "TYPE_CHECKING"
        for node in ast.walk(guard)
    }
    running: set[str] = set()
    typing: set[str] = set()
    for node in ast.walk(tree):
        names = set()
        if isinstance(node, ast.Import):
            names = {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
        (typing if node in for_types else running).update(names)
    return running, typing


def rooms(names):
    """Keep the rooms of this house among imported names."""
    own = [name.split(".") for name in names if name.split(".")[0] == "s2rgb_mpi"]
    return {parts[1] if shelved(parts[1]) else "__init__" for parts in own}


def shelved(room):
    return any(room in rooms for rooms in SHELVES)


def outside(names):
    tops = {name.split(".")[0] for name in names}
    return tops - set(sys.stdlib_module_names) - {"s2rgb_mpi"}


each_module = pytest.mark.parametrize(
    "module", MODULES, ids=lambda module: str(module.relative_to(HOUSE))
)


def test_every_room_has_its_shelf():
    assert {room_of(module) for module in MODULES} == set().union(*SHELVES)


@each_module
def test_imports_point_down(module):
    room = room_of(module)
    for other in rooms(set().union(*imports(module))) - {room}:
        assert shelf_of(other) < shelf_of(room), f"{room} imports {other}"


@each_module
def test_the_outside_is_known_to_few_rooms(module):
    running, typing = imports(module)
    room = room_of(module)
    assert outside(running) <= OUTSIDE.get(room, set())
    assert outside(typing) <= OUTSIDE.get(room, set()) | {"numpy"}


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
        ("print", set()),
        ("sys.stdout", {"report", "__main__"}),  # which opens them where they are closed
        ("sys.stderr", {"report", "__main__"}),
        ("sys.exit", {"__main__"}),
        ("os.environ", {"__main__"}),
    ],
)
def test_one_room_alone_does_it(name, owner):
    assert {room_of(module) for module in MODULES if name in names(module)} == owner
