"""Which columns a row function reads, found in its syntax tree."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelpress.heuristics.modules import Module
    from labelpress.heuristics.reach import Sources

DEPTH = 5
"""How many calls a row is followed through before its function is said to need all columns."""

ROW_METHODS = frozenset({"get", "keys", "items"})
"""What a row can do beside giving its columns, named as a dict's methods are."""


def columns_read(sources: Sources, module: str, name: str) -> tuple[str, ...] | None:
    """
    Return the columns that the row function of this name reads, sorted.

    None where the row is used in a way that does not tell, so that it needs all of them.
    """
    place = sources.function(module, name)
    if place is None:
        return None
    found = _of_function(sources, place[0], place[1], DEPTH, position=0)
    return None if found is None else tuple(sorted(found))


def _of_function(
    sources: Sources, module: Module, function: ast.FunctionDef, depth: int, position: int
) -> set[str] | None:
    arguments = [*function.args.posonlyargs, *function.args.args]
    if depth == 0 or position >= len(arguments):
        return None
    row = arguments[position].arg
    parents = {child: node for node in ast.walk(function) for child in ast.iter_child_nodes(node)}
    found: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.arg) and node.arg == row and node is not arguments[position]:
            return None
        if not isinstance(node, ast.Name) or node.id != row:
            continue
        columns = _of_use(sources, module, node, parents[node], depth)
        if columns is None:
            return None
        found |= columns
    return found


def _of_use(
    sources: Sources, module: Module, node: ast.Name, parent: ast.AST, depth: int
) -> set[str] | None:
    """Return the columns that one mention of the row reads."""
    if isinstance(parent, ast.Attribute) and isinstance(parent.ctx, ast.Load):
        return None if parent.attr in ROW_METHODS else {parent.attr}
    if (
        isinstance(parent, ast.Subscript)
        and parent.value is node
        and isinstance(parent.slice, ast.Constant)
        and isinstance(parent.slice.value, str)
        and isinstance(parent.ctx, ast.Load)
    ):
        return {parent.slice.value}
    if isinstance(parent, ast.Call) and node in parent.args and isinstance(parent.func, ast.Name):
        called = sources.function(module.name, parent.func.id)
        if called is not None and not any(isinstance(a, ast.Starred) for a in parent.args):
            position = parent.args.index(node)
            return _of_function(sources, called[0], called[1], depth - 1, position)
    return None
