"""Query text to parse tree, or the service's error for what it does not understand."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from .errors import QueryError, parser_failure, unsupported

GRAMMAR = Path(__file__).parent.parent / "kusto.lark"

SPELLINGS = {
    "VBAR": "|",
    "$END": "<EOF>",
    "EQUAL": "=",
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "COMMA": ",",
    "DOT": ".",
    "BY": "by",
    "ON": "on",
    "NAME": "identifier",
    "STRING": "string",
    "NUMBER": "number",
}
KUSTO_OPERATORS = re.compile(
    r"(as|consume|evaluate|facet|find|fork|getschema|invoke|lookup|make-series|mv-apply|parse|parse-kv|parse-where"
    r"|partition|print|project-keep|project-reorder|range|reduce|render|sample|sample-distinct|scan|search"
    r"|serialize|top-hitters|top-nested|union)(?![\w-])"
)
"""Operators that Kusto has and this Resource Graph has not."""


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(GRAMMAR.read_text(encoding="utf-8"), parser="lalr", maybe_placeholders=True)


@lru_cache(maxsize=256)
def parse(query: str) -> Tree[Token]:
    """Raises `QueryError`. The tree is shared: read it, never change it."""
    try:
        return _parser().parse(query)
    except UnexpectedToken as error:
        at_end = error.token.type == "$END"
        position = len(query) if at_end else error.token.start_pos or 0
        word = "<EOF>" if at_end else str(error.token)
        expected = [SPELLINGS[name] for name in error.accepts if name in SPELLINGS]
        only = expected[0] if len(error.accepts) == 1 and expected else None
        raise _refusal(query, position, word, only) from None
    except UnexpectedCharacters as error:
        position = error.pos_in_stream or 0
        raise _refusal(query, position, query[position], None) from None


def _refusal(query: str, position: int, word: str, expected: str | None) -> QueryError:
    before = query[:position]
    operator = KUSTO_OPERATORS.match(query, position)
    if operator and (not before.strip() or before.rstrip().endswith("|")):
        return unsupported(operator[1])
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1)
    return parser_failure(line=line, column=column, token=word, expected=expected)
