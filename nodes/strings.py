"""Texts: joined, cut, changed, searched."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from ..executor.spec import Optional, Out, Range, Text, node

LONG = Text(multiline=True)
SHORT = Text(multiline=False)


class Case(StrEnum):
    """How letters are written."""

    UPPER = "UPPERCASE"
    LOWER = "lowercase"
    CAPITAL = "Capitalize"
    TITLE = "Title Case"


class Ends(StrEnum):
    """Which ends lose their white space."""

    BOTH = "Both"
    LEFT = "Left"
    RIGHT = "Right"


class Likeness(StrEnum):
    """How two texts are compared."""

    STARTS = "Starts With"
    ENDS = "Ends With"
    EQUAL = "Equal"


class Extract(StrEnum):
    """What a pattern's matches give."""

    FIRST = "First Match"
    ALL = "All Matches"
    FIRST_GROUP = "First Group"
    ALL_GROUPS = "All Groups"


@node("StringConcatenate", category="utils/string", title="Concatenate")
def string_concatenate(
    string_a: Annotated[str, LONG], string_b: Annotated[str, LONG], delimiter: Annotated[str, SHORT] = ""
) -> str:
    """Two texts with a delimiter between them."""
    return f"{string_a}{delimiter}{string_b}"


@node("StringSubstring", category="utils/string", title="Substring")
def string_substring(string: Annotated[str, LONG], start: int, end: int) -> str:
    """The characters from start up to, not including, end; negative places count from the end."""
    return string[start:end]


@node("StringLength", category="utils/string", title="Length")
def string_length(string: Annotated[str, LONG]) -> Annotated[int, Out("length")]:
    """The number of characters."""
    return len(string)


@node("CaseConverter", category="utils/string", title="Case Converter")
def case_converter(string: Annotated[str, LONG], mode: Case) -> str:
    """Change upper and lower case."""
    change = {Case.UPPER: str.upper, Case.LOWER: str.lower, Case.CAPITAL: str.capitalize, Case.TITLE: str.title}
    return change[Case(mode)](string)


@node("StringTrim", category="utils/string", title="Trim")
def string_trim(string: Annotated[str, LONG], mode: Ends) -> str:
    """Remove white space at the ends."""
    return {Ends.BOTH: str.strip, Ends.LEFT: str.lstrip, Ends.RIGHT: str.rstrip}[Ends(mode)](string)


@node("StringReplace", category="utils/string", title="Replace")
def string_replace(string: Annotated[str, LONG], find: Annotated[str, LONG], replace: Annotated[str, LONG]) -> str:
    """Replace a text wherever it occurs."""
    return string.replace(find, replace)


@node("StringContains", category="utils/string", title="Contains")
def string_contains(
    string: Annotated[str, LONG], substring: Annotated[str, LONG], case_sensitive: bool = True
) -> Annotated[bool, Out("contains")]:
    """Whether one text occurs in the other."""
    if case_sensitive:
        return substring in string
    return substring.lower() in string.lower()


@node("StringCompare", category="utils/string", title="Compare")
def string_compare(
    string_a: Annotated[str, LONG], string_b: Annotated[str, LONG], mode: Likeness, case_sensitive: bool = True
) -> bool:
    """Compare the first text with the second."""
    a, b = (string_a, string_b) if case_sensitive else (string_a.lower(), string_b.lower())
    return {Likeness.STARTS: a.startswith(b), Likeness.ENDS: a.endswith(b), Likeness.EQUAL: a == b}[Likeness(mode)]


def _flags(case_insensitive: bool, multiline: bool, dotall: bool) -> re.RegexFlag:
    chosen = {re.IGNORECASE: case_insensitive, re.MULTILINE: multiline, re.DOTALL: dotall}
    return sum((flag for flag, on in chosen.items() if on), re.RegexFlag(0))


@node("RegexMatch", category="utils/string", title="Regex Match")
def regex_match(
    string: Annotated[str, LONG],
    regex_pattern: Annotated[str, LONG],
    case_insensitive: bool = True,
    multiline: Annotated[bool, "^ and $ match at every line."] = False,
    dotall: Annotated[bool, "The dot matches line breaks."] = False,
) -> Annotated[bool, Out("matches")]:
    """Whether a pattern occurs in the text. No, if the pattern is wrong."""
    try:
        return re.search(regex_pattern, string, _flags(case_insensitive, multiline, dotall)) is not None
    except re.error:
        return False


@node("RegexExtract", category="utils/string", title="Regex Extract")
def regex_extract(
    string: Annotated[str, LONG],
    regex_pattern: Annotated[str, LONG],
    mode: Extract,
    case_insensitive: bool = True,
    multiline: Annotated[bool, "^ and $ match at every line."] = False,
    dotall: Annotated[bool, "The dot matches line breaks."] = False,
    group_index: Annotated[int, Range(0, 100), "For the group modes."] = 1,
) -> str:
    """What a pattern matches, one match a line. Empty, if nothing matches or the pattern is wrong."""
    try:
        pattern = re.compile(regex_pattern, _flags(case_insensitive, multiline, dotall))
    except re.error:
        return ""
    found = list(pattern.finditer(string))
    if mode in (Extract.FIRST, Extract.FIRST_GROUP):
        found = found[:1]
    if mode in (Extract.FIRST_GROUP, Extract.ALL_GROUPS):
        if group_index > pattern.groups or (mode == Extract.ALL_GROUPS and not pattern.groups):
            return ""
        return "\n".join(match.group(group_index) or "" for match in found)
    # A pattern with groups lists the first group of each match, as Python's findall does.
    group = 1 if mode == Extract.ALL and pattern.groups else 0
    return "\n".join(match.group(group) or "" for match in found)


@node("RegexReplace", category="utils/string", title="Regex Replace")
def regex_replace(
    string: Annotated[str, LONG],
    regex_pattern: Annotated[str, LONG],
    replace: Annotated[str, LONG],
    case_insensitive: Annotated[bool, Optional()] = True,
    multiline: Annotated[bool, Optional(), "^ and $ match at every line."] = False,
    dotall: Annotated[bool, Optional(), "The dot matches line breaks."] = False,
    count: Annotated[int, Range(0, 100), Optional(), "Most replacements; 0 = all."] = 0,
) -> str:
    """Replace what a pattern matches; \\1, \\2 … stand for its groups."""
    from ..errors import InputError

    try:
        return re.sub(regex_pattern, replace, string, count=count, flags=_flags(case_insensitive, multiline, dotall))
    except (re.error, IndexError) as error:
        raise InputError(
            "the pattern or its replacement is wrong", got=error, expected="a Python regular expression"
        ) from error
