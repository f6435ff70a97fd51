"""What commands print: tables, plans and receipts."""

from collections.abc import Mapping, Sequence
from typing import Any

WIDEST = 60


def safe(text: object) -> str:
    """Without what a terminal would take for a command: names are what anybody may type."""
    return "".join(each if each.isprintable() else " " for each in str(text))


def table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    cells = [[safe(_cell(row.get(name)))[:WIDEST] for name in columns] for row in rows]
    widths = [max([len(name), *(len(row[at]) for row in cells)]) for at, name in enumerate(columns)]
    lines = [columns, *cells]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def plan(told: Mapping[str, Any]) -> str:
    """Who loses access comes first."""
    lines = _losses(told["losses"])
    found = told["differences"]
    if not found:
        lines = ["Nothing differs."]
    for each in found:
        lines.append(safe(f"{each['sign']} {each['what']}" + (f": {each['text']}" if each["text"] else "")))
        if each["blocked"]:
            lines.append(safe(f"    can't be done: {each['blocked']}"))
    if found:
        counted = {sign: sum(each["sign"] == sign for each in found) for sign in "+~-!"}
        lines += ["", f"{counted['+']} to add, {counted['~']} to change, {counted['-']} to remove, {counted['!']} waiting for somebody."]
    if told["prunable"]:
        lines.append(f"{told['prunable']} more are not described and stay; --prune would take them away.")
    return "\n".join(lines)


def _losses(losses: Sequence[Mapping[str, Any]]) -> list[str]:
    if not losses:
        return ["Nobody loses access.", ""]
    many = len(losses)
    head = f"{many} application loses access:" if many == 1 else f"{many} applications lose access:"
    return [head, *(safe(f"  {each['application']} ({each['whose']}): {', '.join(each['calls'])}") for each in losses), ""]
