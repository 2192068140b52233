"""The pages that users read, and the blocks of code in them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "slurm" / "README.md",
    ROOT / "findings" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]

LANGUAGES = {"sh", "console", "text", "python", "js"}
"""Of blocks: commands; with their output; neither; examples that tests/test_api.py runs; settings
of viewers, as tests/readers/maps has them."""


class Block(NamedTuple):
    """A block of code between two fences."""

    page: str
    """Relative to the project."""
    line: int
    """Of the first fence, from 1."""
    language: str
    text: str

    @property
    def title(self) -> str:
        """Its first command, without comments and the prompt."""
        lines = (line.removeprefix("$ ") for line in self.text.splitlines())
        return next(re.sub(r"\s+#.*", "", line) for line in lines)


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page."""
    name = str(page.relative_to(ROOT))
    lines = page.read_text().splitlines()
    begin = None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if begin is None:
            begin = number
        else:
            inside = "\n".join(lines[begin + 1 : number]) + "\n"
            yield Block(name, begin + 1, lines[begin].removeprefix("```"), inside)
            begin = None
    assert begin is None, f"{page}: a block has no end"


def prose(page: Path) -> list[str]:
    """Return the lines of a page; those of blocks of code are empty."""
    inside = False
    lines = []
    for line in page.read_text().splitlines():
        fence = line.startswith("```")
        lines.append("" if inside or fence else line)
        inside ^= fence
    return lines
