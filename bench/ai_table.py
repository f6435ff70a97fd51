"""The goals of calls for AI models in one table, with what bench.ai measured last. With the argument `keep` it also writes what it read to
docs/evidence/ai.json, and the tables in docs/evidence/ai.md anew.
"""

import json
import sys
from typing import Any

from bench.ai import DIRECT, GOALS, LITELLM, NAME, PORTICO
from bench.stage import ROOT
from bench.table import Row, lined, newest, show, write

EVIDENCE = ROOT / "docs" / "evidence" / "ai.json"
ROWS = (
    Row(
        "a chat completion, more than without a gateway, p50", NAME, f"{PORTICO}: more for a whole answer, p50 ms", "<", GOALS["more"], "ms"
    ),
    Row("the same, LiteLLM", NAME, f"{LITELLM}: more for a whole answer, p50 ms", unit="ms"),
    Row("calls per second / LiteLLM", NAME, "Portico to LiteLLM: median", "≥", GOALS["times"]),
    Row("the same, by CPU per call", NAME, "Portico to LiteLLM, by CPU: median"),
    Row("first byte of a stream, more than without, p50", NAME, f"{PORTICO}: more until the first byte, p50 ms", "<", GOALS["first"], "ms"),
    Row("the same, LiteLLM", NAME, f"{LITELLM}: more until the first byte, p50 ms", unit="ms"),
)
COLUMNS = {
    "calls per second": "{:,.0f}",
    "µs of a core per call": "{:,.0f} µs",
    "whole, p50 ms": "{:.2f} ms",
    "whole, p95 ms": "{:.2f} ms",
    "first byte of a stream, p50 ms": "{:.2f} ms",
    "memory, MB": "{:,.0f} MB",
}


def main(*arguments: str) -> int:
    results = newest()
    lines = lined(ROWS, results)
    show(lines)
    if arguments == ("keep",):
        EVIDENCE.write_text(json.dumps({NAME: results[NAME]}, indent=2, ensure_ascii=False) + "\n")
        write(EVIDENCE.with_suffix(".md"), {"goals": lines, "each": _each(results[NAME]["figures"])})
    return not all(row.holds(row.measured(results)) for row in ROWS)


def _each(figures: dict[str, Any]) -> list[list[str]]:
    heads = [head.removesuffix(" ms").removesuffix(", MB").replace("µs of a core", "of a core") for head in COLUMNS]
    rows = []
    for name in (DIRECT, PORTICO, LITELLM):
        found = ((figures.get(f"{name}: {head}"), form) for head, form in COLUMNS.items())
        rows.append([name, *("" if value is None else form.format(value) for value, form in found)])
    return [["", *heads], *rows]


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
