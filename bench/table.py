"""The gateway's goals in one table, each with what was measured last: `python -m bench.table`, once the other measurements have run.

It reads the newest results under bench/results/. Ends with 1 where a goal is not held or was not measured. With the argument `keep` it also
writes what it read to docs/evidence/gateway.json, and the tables in docs/evidence/gateway.md anew.
"""

import json
import operator
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.stage import RESULTS, ROOT

EVIDENCE = ROOT / "docs" / "evidence" / "gateway.json"
STEPS = "steps"
PAGE = EVIDENCE.with_suffix(".md")
_HOW: dict[str, Callable[[float, float], bool]] = {"≥": operator.ge, ">": operator.gt, "≤": operator.le, "<": operator.lt}


@dataclass(frozen=True, slots=True)
class Row:
    """`how` and `goal` say what is to hold; "" where a figure is only to be told."""

    what: str
    bench: str
    figure: str
    how: str = ""
    goal: float = 0.0
    unit: str = ""

    def measured(self, results: dict[str, dict[str, Any]]) -> float | None:
        found = results.get(self.bench, {}).get("figures", {}).get(self.figure)
        return None if found is None else float(found)

    def holds(self, measured: float | None) -> bool:
        return measured is not None and (not self.how or _HOW[self.how](measured, self.goal))


_SOON = "decision to enforcement under half load"
_LOAD, _FLOOD = "half load", "10,000 refused calls a second"
ROWS = (
    Row("the whole chain / bare Envoy", "peers", "Portico to bare Envoy: median", "≥", 0.70),
    Row("the same, by CPU per call", "peers", "Portico to bare Envoy, by CPU: median"),
    Row("the whole chain / nginx auth_request, free authoriser", "peers", "Portico to nginx auth_request: median", ">", 1.0),
    Row("the same, nginx as its manual shows it", "peers", "Portico to nginx auth_request, as shown: median"),
    Row("the whole chain / HAProxy jwt_verify", "peers", "Portico to HAProxy jwt_verify: median", ">", 1.3),
    Row("each token new / HAProxy jwt_verify", "peers", "Portico, each token new, to HAProxy jwt_verify: median"),
    Row("1,000 subscriptions", "memory", "1,000 subscriptions, MB", unit="MB"),
    Row("5,000 tenants known, 100 of them served", "memory", "5,000 known, 100 served, MB", "<", 200, "MB"),
    Row("a served tenant", "memory", "a served tenant of 50 subscriptions, MB", unit="MB"),
    *(
        Row(
            f"{_SOON}, {decision}, {label}",
            "enforcement",
            f"{_LOAD}, {decision}, {label} ms",
            "<",
            most,
            "ms",
        )
        for decision in ("suspend", "resume")
        for label, most in (("p50", 50), ("p99", 250))
    ),
    Row("access log, a usage process", "intake", "the process, µs of a core a call", "≤", 50, "µs a call"),
    Row(f"a suspension, p50, with {_FLOOD}", "intake-flood", f"{_FLOOD}, suspend, p50 ms", "<", 50, "ms"),
    Row("the same, p99", "intake-flood", f"{_FLOOD}, suspend, p99 ms", "<", 250, "ms"),
    Row("a suspension, p50, without them", "intake-flood", "idle, suspend, p50 ms", unit="ms"),
    Row("last of 1,000 operations / first", "scale", "last operation / first, calls per second, median", "≥", 0.95),
    Row("5,000 subscriptions: decision to acknowledgement, most", "scale", "decision to acknowledgement, most ms", "<", 1_000, "ms"),
)


def main(*arguments: str) -> int:
    results = newest()
    lines = lined(ROWS, results)
    show(lines)
    if arguments == ("keep",):
        keep(results, lines)
    return not all(row.holds(row.measured(results)) for row in ROWS)


def lined(rows: Sequence[Row], results: dict[str, dict[str, Any]]) -> list[Sequence[str]]:
    """With a head."""
    return [("what", "goal", "measured", "held"), *(_line(row, row.measured(results)) for row in rows)]


def show(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def keep(results: dict[str, dict[str, Any]], lines: Sequence[Sequence[str]]) -> None:
    """What each was measured with, too, stands beside it there."""
    kept = {name: results[name] for name in sorted({*(row.bench for row in ROWS), STEPS}) if name in results}
    EVIDENCE.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
    write(PAGE, {"goals": lines, "peers": _peers(kept["peers"]["figures"]), "steps": _steps(kept[STEPS]["figures"])})


def write(page: Path, tables: Mapping[str, Sequence[Sequence[str]]]) -> None:
    """Each in the place of the one that has its name there."""
    text = page.read_text()
    for name, table in tables.items():
        head, *rest = table
        rows = [head, ["---"] * len(head), *rest]
        written = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        # Blank lines, for a comment begins a block that ends with one.
        text = re.sub(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", rf"\1\n{written}\n\n\2", text, flags=re.DOTALL)
    page.write_text(text)


def _peers(figures: dict[str, Any]) -> list[list[str]]:
    """How fast each was."""
    rate, spread, cost = ": calls per second, median", ": calls per second, least and most", ": µs of a core per call, median"
    names = [name.removesuffix(rate) for name in figures if name.endswith(rate)]
    found = []
    for name in names:
        between = figures[name + spread].replace(" ", " to ")
        found.append([name, f"{figures[name + rate]:,.0f}", between, f"{figures[name + cost]:.0f} µs"])
    return [["", "calls per second, median", "least and most", "of a core per call"], *found]


def _steps(figures: dict[str, Any]) -> list[list[str]]:
    cost, more, share = (f": {each}" for each in ("µs of a core per call", "more than before, µs", "bare Envoy's share"))
    names = [name.removesuffix(cost) for name in figures if name.endswith(cost)]
    found = [[name, f"{figures[name + cost]:.0f} µs", f"{figures[name + more]:+.0f} µs", f"{figures[name + share]:.2f}"] for name in names]
    return [["up to here", "of a core per call", "more than before", "bare Envoy / this"], *found]


def newest() -> dict[str, dict[str, Any]]:
    """By the measurement's name. A file's name ends with when it was written."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(RESULTS.glob("*Z.json")):
        whole = json.loads(file.read_text())
        # Before machines were told there were only figures.
        found[file.stem[: -len("-2026-01-01T000000Z")]] = whole if "figures" in whole else {"figures": whole}
    return found


def _line(row: Row, measured: float | None) -> tuple[str, str, str, str]:
    goal = f"{row.how} {row.goal:,.10g}" if row.how else ""
    if measured is None:
        return row.what, goal, "not measured", "no"
    said = f"{measured:,.2f} {row.unit}".strip()
    return row.what, goal, said, ("yes" if row.holds(measured) else "no") if row.how else "told"


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
