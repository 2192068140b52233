"""Hooks of MkDocs: pages and files from outside docs/, and links as they are in the repository."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]

PAGES = {
    "README.md": "index.md",
    "CHANGES.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "findings/README.md": "findings.md",
}
"""Pages of the site by their place in the repository; others are those in docs/."""

FILES = (
    "CITATION.cff",
    "LICENSE",
    "s2rgb_mpi/report/schema.json",
    "slurm/apptainer.def",
    "slurm/environment.yml",
)
"""Files that pages link to; they have the same places in the site."""

_CODE = re.compile(r"`[^`\n]+`")

_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages and files that are outside docs/."""
    for source, name in PAGES.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / source)))
    for name in FILES:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between places in the repository into links between places in the site."""
    del config, files
    sources = {name: source for source, name in PAGES.items()}
    source = sources.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    folder = posixpath.dirname(source)
    here = posixpath.dirname(page.file.src_uri)

    def moved(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[0]))
        return posixpath.relpath(PAGES.get(target, target.removeprefix("docs/")), here or ".")

    # Within code GitHub needs a pipe in a table escaped, and Python-Markdown shows the backslash.
    code = _CODE.sub(lambda span: span[0].replace(r"\|", "|"), markdown)
    return _LINK.sub(moved, code)
