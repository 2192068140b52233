"""Pages with a part that is made: it stands between two marks."""


def filled(page: str, begin: str, end: str, text: str) -> str:
    """Return a page with a text in place of all between its marks, which are whole lines."""
    before, rest = page.split(begin)
    return before + begin + text + end + rest.split(end)[1]
