"""The tables benchmarks print: minimum, median and maximum of the rounds, and the ratios."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from typing import Any

Run = dict[str, Any]
Delivered = dict[str, Any]

HEAD = (
    "edits/s", "server", "delivered", "edits/s done", "p50 ms", "p99 ms", "max ms",
    "CPU s per million deliveries",
)  # fmt: skip
MEASURE = (
    "Minimum / median / maximum of the rounds. Every delivery counts, the author's own among them, "
    "from the moment the edit came due."
)


def line(run: Run) -> str:
    """Return one run in one line, for whoever waits."""
    head = f"round {run['round']}  {run['case']:>5}  {run['server']:<10}"
    if run.get("error"):
        return f"{head} FAILED: {run['error']}"
    cpu = ", ".join(f"{kind} {used:.1f}" for kind, used in run["cpu_s"].items())
    crowds = "; ".join(
        f"{crowd['name']} {crowd['delivered']}/{crowd['expected']} delivered, "
        f"{crowd['achieved_per_s']:.0f}/s, "
        f"p50 {crowd['p50']:.2f} p99 {crowd['p99']:.2f} max {crowd['max']:.1f} ms"
        for crowd in run["crowds"]
    )
    return (
        f"{head} {crowds}; {'equal' if run['equal'] else 'NOT EQUAL'}; "
        f"fsync {run['fsync_ms']:.2f} ms; CPU s: {cpu}; others {run['others_cpu_s']:.1f}; "
        f"generator {run['generator_cpu']:.0%} of a core, lag p50 {run['generator_lag_p50']:.2f} "
        f"p99 {run['generator_lag_p99']:.2f} ms"
    )


def markdown(results: dict[str, Any]) -> str:
    """Return the whole result as Markdown."""
    runs: list[Run] = results["runs"]
    cases = list(dict.fromkeys(run["case"] for run in runs))
    names = list(dict.fromkeys(run["server"] for run in runs))
    crowds = list(dict.fromkeys(crowd["name"] for run in runs for crowd in run["crowds"])) or [""]
    rows = [
        _row(case, name, crowd if len(crowds) > 1 else "", _of(runs, case, name))
        for case in cases
        for crowd in crowds
        for name in names
    ]
    lines = [table(HEAD, rows)]
    if len(names) > 1:
        lines += ["", _ratios(runs, cases, names, crowds)]
    lines += ["", " ".join([*results["notes"], MEASURE])]
    return "\n".join([*lines, conditions(results["machine"], runs), _generator(runs)])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; columns with numbers stand right."""
    numbers = [
        any(re.fullmatch(r"[-+≥ \d.,/%]+", row[i]) for row in rows) for i in range(len(head))
    ]
    rules = ["---:" if number else "---" for number in numbers]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rules, *rows))


def conditions(about: dict[str, Any], runs: Sequence[Run] = ()) -> str:
    """Return the machine in a sentence."""
    disk = f"{about['filesystem']}"
    if runs:
        disk += f", write and fsync {spread([run['fsync_ms'] for run in runs], 2)} ms before a run"
    return (
        f"Machine: {about['cores']} cores ({about['cpu']}), shared by servers and generator, "
        f"{about['memory_gib']} GiB, {about['kernel']}, {disk}; Python {about['python']}."
    )


def spread(values: Sequence[float], digits: int) -> str:
    """Return minimum, median and maximum."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return " / ".join(f"{value:.{digits}f}" for value in (low, middle, high))


def cpu_per_million(run: Run) -> float:
    """Return the processor seconds of all of a server's processes per million deliveries."""
    used: dict[str, float] = run["cpu_s"]
    delivered = sum(crowd["delivered"] for crowd in run["crowds"])
    return sum(used.values()) / max(1, delivered) * 1e6


def _row(case: str, name: str, crowd: str, runs: Sequence[Run]) -> list[str]:
    label = f"{case}, {crowd}" if crowd else case
    good = [run for run in runs if not run.get("error")]
    if not good:
        return [label, name, "failed", *[""] * (len(HEAD) - 3)]
    what = [_crowd(run, crowd) for run in good]
    delivered = min(each["delivered"] / max(1, each["expected"]) for each in what)
    unequal = "" if all(run["equal"] for run in good) else " (texts differ)"
    failed = f" ({len(runs) - len(good)} failed)" if len(good) < len(runs) else ""
    return [
        label,
        name,
        f"{100 * delivered:.4g} %{unequal}{failed}",
        spread([each["achieved_per_s"] for each in what], 0),
        spread([each["p50"] for each in what], 2),
        spread([each["p99"] for each in what], 1),
        spread([each["max"] for each in what], 0),
        spread([cpu_per_million(run) for run in good], 0),
    ]


def _ratios(
    runs: Sequence[Run], cases: Sequence[str], names: Sequence[str], crowds: Sequence[str]
) -> str:
    ours, *peers = names
    head = ["edits/s"]
    head += [f"{what} {ours} ÷ {peer}" for peer in peers for what in ("p50", "p99")]
    rows = []
    for case in cases:
        for crowd in crowds:
            row = [f"{case}, {crowd}" if len(crowds) > 1 else case]
            for peer in peers:
                pairs = [
                    (_crowd(a, crowd), _crowd(b, crowd))
                    for a, b in zip(_of(runs, case, ours), _of(runs, case, peer), strict=True)
                    if not a.get("error") and not b.get("error")
                ]
                row.extend(
                    spread([a[what] / b[what] for a, b in pairs], 2) if pairs else ""
                    for what in ("p50", "p99")
                )
            rows.append(row)
    return table(head, rows)


def _generator(runs: Sequence[Run]) -> str:
    good = [run for run in runs if not run.get("error")]
    if not good:
        return ""
    busiest = max(run["generator_cpu"] for run in good)
    lag = statistics.median(run["generator_lag_p99"] for run in good)
    return (
        f"The generator took at most {100 * busiest:.0f} % of a core; edits left it late by "
        f"{lag:.1f} ms at p99 (median of the runs), which counts as the server's."
    )


def _crowd(run: Run, name: str) -> Delivered:
    crowds: list[Delivered] = run["crowds"]
    return next((crowd for crowd in crowds if crowd["name"] == name), crowds[0])


def _of(runs: Sequence[Run], case: str, name: str) -> list[Run]:
    return [run for run in runs if run["case"] == case and run["server"] == name]
