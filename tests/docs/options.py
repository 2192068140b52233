"""The page of the command line's options, from their definition: run this to rewrite it."""

import re

from docs.pages import ROOT
from marked import filled
from s2rgb_mpi.cli.option import Option
from s2rgb_mpi.cli.options import GROUPS, OPTIONS

PAGE = ROOT / "docs" / "options.md"
BEGIN, END = "<!-- made by tests/docs/options.py -->\n", "<!-- end of options -->\n"


def usage(option: Option) -> str:
    """Return the names of an option and its values, as code."""
    metavar = option.metavar or "|".join(map(str, option.choices or ()))
    value = " ".join(metavar) if isinstance(metavar, tuple) else metavar
    if option.is_positional:
        return f"`{value}`"
    return ", ".join(
        f"`{name}`" if option.is_flag else f"`{name} {value}`" for name in option.names
    )


def escaped(words: str) -> str:
    """Return a text without Markdown's marks."""
    return re.sub(r"[|<*_\[]", r"\\\g<0>", words)


def names() -> set[str]:
    """Return the names of all options."""
    return {name for option in OPTIONS.values() for name in option.names}


def tables() -> str:
    """Return a table for each group of options."""
    lines = []
    for group in GROUPS:
        lines += [f"## {group.title.capitalize()}", ""]
        if group.description:
            lines += [escaped(group.description), ""]
        lines += ["| option | meaning |", "| --- | --- |"]
        lines += [
            "| {} | {} |".format(usage(option).replace("|", r"\|"), escaped(option.text))
            for option in group.options
        ]
        lines.append("")
    return "\n".join(lines)


def updated(page: str) -> str:
    """Return the page with the tables as they are now."""
    return filled(page, BEGIN, END, f"\n{tables()}\n")


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text()))
