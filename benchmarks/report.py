"""The table a benchmark prints: minimum, median and maximum of the rounds, and the ratios."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

Run = dict[str, Any]

HEAD = (
    "| edits/s | server | delivered | edits/s done | p50 ms | p99 ms | max ms "
    "| CPU s per million deliveries |"
)


def line(run: Run) -> str:
    """Return one run in one line, for whoever waits."""
    head = f"round {run['round']}  {run['rate']:>5}/s  {run['server']:<8}"
    if run.get("error"):
        return f"{head} FAILED: {run['error']}"
    cpu = ", ".join(f"{kind} {used:.1f}" for kind, used in run["cpu_s"].items())
    return (
        f"{head} {run['delivered']}/{run['expected']} delivered, {run['achieved_per_s']:.0f}/s, "
        f"p50 {run['p50']:.2f} p99 {run['p99']:.2f} max {run['max']:.1f} ms, "
        f"{'equal' if run['equal'] else 'NOT EQUAL'}; fsync {run['fsync_ms']:.2f} ms; "
        f"CPU s: {cpu}; others {run['others_cpu_s']:.1f}; "
        f"generator {run['generator_cpu']:.0%} of a core, lag p50 {run['generator_lag_p50']:.2f} "
        f"p99 {run['generator_lag_p99']:.2f} ms"
    )


def markdown(results: dict[str, Any]) -> str:
    """Return the whole result as Markdown."""
    about, load, runs = results["machine"], results["load"], results["runs"]
    lines = [HEAD, "|---:|---|---:|---:|---:|---:|---:|---:|"]
    rates = sorted({run["rate"] for run in runs})
    names = list(dict.fromkeys(run["server"] for run in runs))
    for rate in rates:
        lines += [_row(rate, name, _of(runs, rate, name)) for name in names]
    if len(names) == 2:
        lines += ["", *_ratios(runs, rates, names)]
    what = (
        f"{load['rooms']} sessions of {load['users']} users, {load['seconds']:g} s a run; minimum "
        "/ median / maximum of the rounds. Every delivery counts, the author's own among them, "
        "from the moment the edit came due. SynQ as it starts by default: HAProxy in front, "
        "SQLite, each edit durable before anyone sees it; ShareDB in memory."
    )
    where = (
        f"Machine: {about['cores']} cores ({about['cpu']}), shared by servers and generator, "
        f"{about['memory_gib']} GiB, {about['kernel']}, {about['filesystem']}, write and fsync "
        f"{_spread([run['fsync_ms'] for run in runs], 2)} ms before each run; Python "
        f"{about['python']}."
    )
    lines += ["", what, where, _generator(runs)]
    return "\n".join(lines)


def _row(rate: int, name: str, runs: Sequence[Run]) -> str:
    good = [run for run in runs if not run.get("error")]
    if not good:
        return f"| {rate} | {name} | failed | | | | | |"
    delivered = min(run["delivered"] / run["expected"] for run in good)
    unequal = "" if all(run["equal"] for run in good) else " (texts differ)"
    failed = f" ({len(runs) - len(good)} failed)" if len(good) < len(runs) else ""
    cells = [
        str(rate),
        name,
        f"{100 * delivered:.4g} %{unequal}{failed}",
        _spread([run["achieved_per_s"] for run in good], 0),
        _spread([run["p50"] for run in good], 2),
        _spread([run["p99"] for run in good], 1),
        _spread([run["max"] for run in good], 0),
        _spread([_cpu_per_million(run) for run in good], 0),
    ]
    return "| " + " | ".join(cells) + " |"


def _ratios(runs: Sequence[Run], rates: Sequence[int], names: Sequence[str]) -> list[str]:
    lines = [
        f"| edits/s | p50 {names[0]} ÷ {names[1]} | p99 {names[0]} ÷ {names[1]} |",
        "|---:|---:|---:|",
    ]
    for rate in rates:
        pairs = [
            (ours, peer)
            for ours, peer in zip(_of(runs, rate, names[0]), _of(runs, rate, names[1]), strict=True)
            if not ours.get("error") and not peer.get("error")
        ]
        if pairs:
            p50 = _spread([ours["p50"] / peer["p50"] for ours, peer in pairs], 2)
            p99 = _spread([ours["p99"] / peer["p99"] for ours, peer in pairs], 2)
            lines.append(f"| {rate} | {p50} | {p99} |")
    return lines


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


def _cpu_per_million(run: Run) -> float:
    used: dict[str, float] = run["cpu_s"]
    delivered: int = run["delivered"]
    return sum(used.values()) / max(1, delivered) * 1e6


def _of(runs: Sequence[Run], rate: int, name: str) -> list[Run]:
    return [run for run in runs if run["rate"] == rate and run["server"] == name]


def _spread(values: Sequence[float], digits: int) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return " / ".join(f"{value:.{digits}f}" for value in (low, middle, high))
