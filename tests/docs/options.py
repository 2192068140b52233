"""The page of the command line's options, from its parser: run this to write it anew."""

import argparse
import re
from collections.abc import Iterator

from docs.pages import ROOT
from marked import filled
from s2rgb_mpi.cli.options import make_parser

PAGE = ROOT / "docs" / "options.md"
BEGIN, END = "<!-- made by tests/docs/options.py -->\n", "<!-- end of options -->\n"


def usage(action: argparse.Action) -> str:
    """Return the names of an option and its values, as code."""
    metavar = action.metavar or "|".join(map(str, action.choices or ()))
    value = " ".join(metavar) if isinstance(metavar, tuple) else metavar
    names = action.option_strings or [value]
    takes_value = action.nargs != 0 and action.option_strings
    return ", ".join(f"`{name} {value}`" if takes_value else f"`{name}`" for name in names)


def meaning(action: argparse.Action) -> str:
    """Return the help of an option in one line, with its default."""
    return escaped((action.help or "") % {"default": action.default})


def escaped(words: str) -> str:
    """Return a text without Markdown's marks."""
    return re.sub(r"[|<*_\[]", r"\\\g<0>", words)


def groups() -> Iterator[tuple[str, str | None, list[argparse.Action]]]:
    """Yield title, description and options of each group, in the order of ``--help``."""
    for group in make_parser()._action_groups:  # noqa: SLF001  argparse has no public list
        if actions := group._group_actions:  # noqa: SLF001
            yield group.title or "", group.description, actions


def names() -> set[str]:
    """Return the names of all options."""
    return {name for *_, actions in groups() for each in actions for name in each.option_strings}


def tables() -> str:
    """Return a table for each group of options."""
    lines = []
    for title, description, actions in groups():
        lines += [f"## {title.capitalize()}", ""]
        if description:
            lines += [escaped(description), ""]
        lines += ["| option | meaning |", "| --- | --- |"]
        lines += [
            "| {} | {} |".format(usage(action).replace("|", r"\|"), meaning(action))
            for action in actions
        ]
        lines.append("")
    return "\n".join(lines)


def updated(page: str) -> str:
    """Return the page with the tables as they are now."""
    return filled(page, BEGIN, END, f"\n{tables()}\n")


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text()))
