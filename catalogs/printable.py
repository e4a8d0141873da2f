"""Text of unknown origin for terminals, pages and logs.

Names of galaxies, files and header cards may hold anything: escape sequences that clear a terminal
or forge its lines, marks that turn the order of writing round, bytes that are no text. At every
place where such text leaves the program it goes through `printable`.
"""

from __future__ import annotations


def printable(text: object, *, keep: str = "") -> str:
    r"""Text in which every character that does not print is an escape such as ``\x1b``.

    These are control characters, line ends, marks of direction and of no width, spaces other than
    " ", and bytes that are no text (categories C and Z of Unicode, as `str.isprintable` has them).

    Parameters
    ----------
    text : object
        Its `str` is taken.
    keep : str
        Characters to leave as they are, "\n" where the text has lines of its own.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in keep else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
