"""README and docs: their form, their links, and the parts that are made from elsewhere."""

import re

import pytest

from docs import options
from docs.pages import LANGUAGES, PAGES, ROOT, blocks, prose

README = ROOT / "README.md"

OTHERS = {
    *("--stack", "--full", "--docs", "--help", "--system-site-packages"),  # ci/ and Python
    *("--mpi", "--mem-per-cpu", "--signal"),  # Slurm
    *("--array", "--cpus", "--machines", "--site", "--stage", "--task-logs", "--test", "--time"),
}
"""Options of ci/ and Python, of Slurm, and of slurm/submit."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def test_readme_is_short():
    assert len(README.read_text().splitlines()) <= 120


@each_page
def test_a_bullet_has_three_lines_at_most(page):
    longest = re.findall(
        r"^(?:[-*]|\d+\.) .*\n(?: +\S.*\n){3}", "\n".join(prose(page)), re.MULTILINE
    )
    assert longest == []


@each_page
def test_blocks_of_code_have_a_known_language(page):
    assert {block.language for block in blocks(page)} <= LANGUAGES
    assert re.findall(r"\n\n(?: {4}|\t).*", "\n".join(prose(page))) == []


@each_page
def test_links_lead_to_files(page):
    """Those of pages of the site mkdocs checks too, with the headings in them."""
    links = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", "\n".join(prose(page)))
    assert [link for link in links if not (page.parent / link).exists()] == []


@each_page
def test_options_in_the_text_are_there(page):
    """Those that are not the program's own are listed."""
    named = set(re.findall(r"`(--[a-z][\w-]*)", "\n".join(prose(page))))
    assert named - options.names() <= OTHERS


def test_pictures_are_small():
    """They are in every clone, and in the source package."""
    sizes = {path.name: path.stat().st_size for path in (ROOT / "docs" / "img").iterdir()}
    assert {name: size for name, size in sizes.items() if size >= 150_000} == {}


def test_options_are_those_of_the_parser():
    page = options.PAGE.read_text()
    assert page == options.updated(page), "run tests/docs/options.py"


def test_figures_of_readme_are_those_of_the_benchmark():
    section = README.read_text().partition("## Speed\n")[2].partition("## ")[0]
    figures = re.findall(r"\| ([\d.]+) \| ([\d.]+) \|", section)
    assert len(figures) == 5
    results = (ROOT / "docs" / "benchmarks.md").read_text()
    cells = {cell.strip() for cell in results.split("|")}
    assert {figure for pair in figures for figure in pair} <= cells
