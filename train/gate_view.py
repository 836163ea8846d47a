"""The gate view of a circuit: wires as words, angles, roles, layers, the interaction graph."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from train.normal_form import ANGLE_CLASSES, Operation, angle_class

MAX_WIRE_WORD = 256
MAX_LAG = 32

# Runs of one-qubit gates by what they do: Clifford diagonal, T, finer dyadic, any other diagonal,
# flip, Hadamard-like, half-turn with other angles, general rotation, symbolic.
_RUNS = "DTPGXHVRK"
_EVENTS = _RUNS + "ctmr"


@dataclass(slots=True)
class _Wire:
    """What happens on one qubit, in order."""

    word: list[str] = field(default_factory=list)
    partners: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    controls: int = 0
    targets: int = 0
    half_turns: int = 0
    flips: int = 0
    angle_classes: list[str] = field(default_factory=list)
    measured_at: list[int] = field(default_factory=list)


def gate_view(stream: Sequence[Operation]) -> dict[str, float]:
    """Summarise the normalised operations of a circuit; the same keys for every circuit."""
    wires: defaultdict[int, _Wire] = defaultdict(_Wire)
    clock: defaultdict[int, int] = defaultdict(int)
    two_clock: defaultdict[int, int] = defaultdict(int)
    pairs: Counter[tuple[int, int]] = Counter()
    angles: Counter[str] = Counter()
    values: Counter[float] = Counter()
    kinds: Counter[str] = Counter()
    two_times: defaultdict[int, list[int]] = defaultdict(list)
    conditional = busy = repeated = 0
    for operation in stream:
        kinds[operation.kind] += 1
        conditional += operation.conditional
        qubit, wire = operation.qubit, wires[operation.qubit]
        if operation.kind == "cx":
            control, other = operation.control, wires[operation.control]
            now = max(clock[qubit], clock[control]) + 1
            two = max(two_clock[qubit], two_clock[control]) + 1
            clock[qubit] = clock[control] = now
            two_clock[qubit] = two_clock[control] = two
            _end_run(wire, now - 1)
            _end_run(other, now - 1)
            last = (wire.partners[-1:], other.partners[-1:])
            repeated += last == ([control], [qubit])
            wire.word.append("t")
            other.word.append("c")
            wire.targets += 1
            other.controls += 1
            wire.partners.append(control)
            other.partners.append(qubit)
            wire.times.append(now)
            other.times.append(now)
            two_times[qubit].append(two)
            two_times[control].append(two)
            pairs[(min(qubit, control), max(qubit, control))] += 1
            busy += 2
            continue
        clock[qubit] += 1
        busy += 1
        if operation.kind == "rz":
            name = angle_class(operation.angle)
            angles[name] += 1
            wire.angle_classes.append(name)
            if operation.angle is not None:
                values[round(abs(math.remainder(operation.angle, 2 * math.pi)), 6)] += 1
        elif operation.kind == "sx":
            wire.half_turns += 1
        elif operation.kind == "x":
            wire.flips += 1
        else:
            _end_run(wire, clock[qubit] - 1)
            wire.word.append("m" if operation.kind == "measure" else "r")
            wire.times.append(clock[qubit])
            if operation.kind == "measure":
                wire.measured_at.append(len(wire.word))
    for qubit, wire in wires.items():
        _end_run(wire, clock[qubit])

    count = len(wires)
    total = max(1, len(stream))
    two_total = kinds["cx"]
    depth = max(clock.values(), default=0)
    two_depth = max(two_clock.values(), default=0)
    spread = max(1, count - 1)
    distinct = np.array(list(values.values()), float)
    measured = sum(bool(wire.measured_at) for wire in wires.values())
    mid = sum(at < len(wire.word) for wire in wires.values() for at in wire.measured_at)
    result = {
        "log_qubits": math.log2(1 + count),
        "log_operations_per_qubit": math.log2(1 + len(stream) / max(1, count)),
        "log_two_qubit_per_qubit": math.log2(1 + two_total / max(1, count)),
        "log_depth": math.log2(1 + depth),
        "log_depth_per_qubit": math.log2(1 + depth / max(1, count)),
        "log_two_qubit_depth_per_qubit": math.log2(1 + two_depth / max(1, count)),
        "entanglement_ratio": two_total / total,
        "critical_depth": two_depth / max(1, two_total),
        "parallelism": max(0.0, (len(stream) / max(1, depth) - 1) / spread),
        "liveness": busy / max(1, depth * count),
        "measured_share": measured / max(1, count),
        "measurements_per_qubit": kinds["measure"] / max(1, count),
        "mid_circuit_share": mid / max(1, kinds["measure"]),
        "resets_per_qubit": kinds["reset"] / max(1, count),
        "conditional_share": conditional / total,
        "repeated_pair_share": repeated / max(1, two_total),
        "distinct_angle_share": len(values) / max(1, sum(angles.values())),
        "log_distinct_angles": math.log2(1 + len(values)),
        "angle_entropy": _entropy(distinct),
        "top_angle_share": float(distinct.max() / distinct.sum()) if distinct.size else 0.0,
    }
    for kind in ("rz", "sx", "x", "cx", "measure", "reset"):
        result[f"share_{kind}"] = kinds[kind] / total
    rotations = max(1, sum(angles.values()))
    for name in ANGLE_CLASSES:
        result[f"angle_{name}"] = angles[name] / rotations
    result["t_like_per_two_qubit"] = angles["t"] / max(1, two_total)
    result |= _words(wires.values())
    result |= _roles(wires.values(), two_total)
    result |= _rhythm(wires.values())
    result |= _timing([two_times[qubit] for qubit in wires], max(1, two_depth))
    result |= _interaction(list(wires), pairs)
    return result


def _run_letter(wire: _Wire) -> str:
    classes = wire.angle_classes
    if "symbolic" in classes:
        return "K"
    if wire.half_turns >= 2:
        return "R"
    clifford = all(name == "clifford" for name in classes)
    if wire.half_turns == 1:
        return "H" if clifford else "V"
    if wire.flips and clifford:
        return "X"
    if clifford:
        return "D"
    if all(name in ("clifford", "t") for name in classes):
        return "T"
    return "G" if "generic" in classes else "P"


def _end_run(wire: _Wire, time: int) -> None:
    if wire.half_turns or wire.flips or wire.angle_classes:
        wire.word.append(_run_letter(wire))
        wire.times.append(time)
        wire.half_turns = wire.flips = 0
        wire.angle_classes = []


def _words(wires: Iterable[_Wire]) -> dict[str, float]:
    """Count letters, and which letter follows which on a wire; ``^`` begins and ``$`` ends one."""
    letters: Counter[str] = Counter()
    follows: Counter[str] = Counter()
    for wire in wires:
        letters.update(wire.word)
        follows.update(a + b for a, b in zip(["^", *wire.word], [*wire.word, "$"], strict=True))
    letter_total = max(1, letters.total())
    begin = max(1, sum(n for key, n in follows.items() if key[0] == "^"))
    inner = max(1, sum(n for key, n in follows.items() if key[0] != "^" and key[1] != "$"))
    result = {f"letter_{a}": letters[a] / letter_total for a in _EVENTS}
    for a in _EVENTS:
        result[f"first_{a}"] = follows["^" + a] / begin
        result[f"last_{a}"] = follows[a + "$"] / begin
        for b in _EVENTS:
            result[f"follow_{a}{b}"] = follows[a + b] / inner
    return result


def _roles(wires: Iterable[_Wire], two_total: int) -> dict[str, float]:
    """Describe how controls and targets are spread over the qubits."""
    used = [wire for wire in wires if wire.partners]
    share = np.array([wire.controls / (wire.controls + wire.targets) for wire in used] or [0.5])
    targets = sorted((wire.targets for wire in used), reverse=True) or [0]
    controls = sorted((wire.controls for wire in used), reverse=True) or [0]
    scale = max(1, two_total)
    return {
        "control_share_std": float(share.std()),
        "pure_controls": float((share == 1).mean()),
        "pure_targets": float((share == 0).mean()),
        "top_target_share": targets[0] / scale,
        "top_control_share": controls[0] / scale,
        "entangled_share": len(used) / max(1, len(list(wires))),
    }


def _rhythm(wires: Iterable[_Wire]) -> dict[str, float]:
    """Measure how far the partners on a wire repeat with a period, or read the same backwards."""
    weight = repeat = mirror = period = runs = 0.0
    for wire in wires:
        word = np.array(wire.partners[:MAX_WIRE_WORD])
        if word.size < 2:
            continue
        weight += word.size
        runs += word.size * float((word[1:] == word[:-1]).mean())
        mirror += word.size * float((word == word[::-1]).mean())
        lags = range(1, min(MAX_LAG, word.size // 2) + 1)
        scores = [float((word[lag:] == word[:-lag]).mean()) for lag in lags]
        best = int(np.argmax(scores))
        repeat += word.size * scores[best]
        period += word.size * (best + 1) / word.size
    scale = max(1.0, weight)
    return {
        "partner_run_share": runs / scale,
        "partner_mirror": mirror / scale,
        "partner_repeat": repeat / scale,
        "partner_period": period / scale,
    }


def _timing(times: Sequence[Sequence[int]], two_depth: int) -> dict[str, float]:
    """Describe when qubits enter and leave the entangling part: a cascade, a brick wall, a star."""
    used = [moments for moments in times if moments]
    first = np.array([moments[0] for moments in used] or [0]) / two_depth
    last = np.array([moments[-1] for moments in used] or [0]) / two_depth
    gaps = np.array([(m[-1] - m[0]) / two_depth for m in used] or [0.0])
    return {
        "first_mean": float(first.mean()),
        "first_std": float(first.std()),
        "last_mean": float(last.mean()),
        "last_std": float(last.std()),
        "active_mean": float(gaps.mean()),
        "active_std": float(gaps.std()),
        "first_last_correlation": _correlation(first, last),
        "distinct_first_share": len(set(first.tolist())) / max(1, first.size),
    }


def _interaction(qubits: Sequence[int], pairs: Counter[tuple[int, int]]) -> dict[str, float]:
    """Describe the graph of which qubits interact, and how evenly."""
    import rustworkx

    count = len(qubits)
    index = {qubit: position for position, qubit in enumerate(qubits)}
    graph = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(count))
    graph.add_edges_from([(index[a], index[b], float(n)) for (a, b), n in pairs.items()])
    degrees = np.array([graph.degree(node) for node in range(count)] or [0], float)
    strength = np.zeros(max(1, count))
    for (a, b), n in pairs.items():
        strength[index[a]] += n
        strength[index[b]] += n
    weights = np.array(list(pairs.values()) or [0], float)
    spread = max(1, count - 1)
    edges = len(pairs)
    parts = [len(part) for part in rustworkx.connected_components(graph)] or [0]
    distances = rustworkx.distance_matrix(graph) if count else np.zeros((1, 1))
    cores: Any = rustworkx.core_number(graph)  # its stub says int
    order = np.argsort(degrees)
    return {
        "graph_density": edges / max(1.0, count * spread / 2),
        "program_communication": float(degrees.mean()) / spread,
        "degree_max": float(degrees.max()) / spread,
        "degree_mean": float(degrees.mean()),
        "degree_spread": float(degrees.std() / max(1e-9, degrees.mean())) if edges else 0.0,
        "leaf_share": float((degrees == 1).mean()),
        "degree_two_share": float((degrees == 2).mean()),
        "degree_three_share": float((degrees == 3).mean()),
        "idle_share": float((degrees == 0).mean()),
        "clustering": float(rustworkx.transitivity(graph)) if edges else 0.0,
        "component_share": len(parts) / max(1, count),
        "largest_component": max(parts) / max(1, count),
        "cycle_share": (edges - count + len(parts)) / max(1, edges),
        "diameter_share": float(np.max(distances, initial=0.0)) / spread,
        "core": max(cores.values(), default=0) / spread,
        "bipartite": float(rustworkx.is_bipartite(graph)),
        "strength_top": float(strength.max() / max(1.0, strength.sum())),
        "strength_spread": float(strength.std() / max(1e-9, strength.mean())) if edges else 0.0,
        "weight_spread": float(weights.std() / max(1e-9, weights.mean())) if edges else 0.0,
        "weight_top": float(weights.max() / max(1.0, weights.sum())),
        "degree_slope": _correlation(degrees[order], np.arange(degrees.size)),
    }


def _entropy(counts: npt.NDArray[np.float64]) -> float:
    if counts.size < 2:
        return 0.0
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum() / math.log2(counts.size))


def _correlation(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
    if x.size < 2 or float(x.std()) < 1e-9 or float(y.std()) < 1e-9:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])
