"""The Ray task that runs a batch of circuits, one after another, and reports each as it ends.

It is a generator: its first item says that it started (waiting for a CPU is not running time), then
one item follows for each circuit, in order. So whoever watches knows which circuit a batch that
hangs or dies was at, and what was finished stays finished.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import ray

from cluster.errors import SynqError
from cluster.processes import give_way
from quantum.limits import Limits
from quantum.plan import Method, Plan
from quantum.read import read
from quantum.simulate import circuit_seed, prepare, simulate

# What expanding a circuit and collecting its outcomes may take beside the state itself.
HEADROOM_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Work:
    """One circuit of a job, as it travels to a worker."""

    position: int
    qasm: str
    method: Method
    qubits: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one circuit: counts, or why there are none."""

    position: int
    counts: dict[str, int] | None = None
    error: str | None = None


Item = Literal["started"] | Outcome


def run(work: Work, limits: Limits, *, shots: int, seed: int, threads: int) -> Outcome:
    """Run one circuit; its failure is an outcome like any other."""
    try:
        circuit = prepare(read(work.qasm, limits).circuit)
        plan = Plan(work.method, work.qubits, work.memory_bytes, 0.0)
        with bounded_memory(work.memory_bytes + HEADROOM_BYTES):
            counts = simulate(
                circuit, plan, shots=shots, seed=circuit_seed(seed, work.position), threads=threads
            )
    except SynqError as error:
        return Outcome(work.position, error=error.message)
    except MemoryError:
        return Outcome(
            work.position,
            error=f"more memory was needed than the {work.memory_bytes:,} bytes foreseen for the "
            f"{work.method.replace('_', ' ')} and {HEADROOM_BYTES:,} for everything else",
        )
    return Outcome(work.position, counts=counts)


def batch(
    works: list[Work], limits: Limits, *, shots: int, seed: int, threads: int
) -> Iterator[Item]:
    """Run ``works`` in order."""
    give_way()
    yield "started"
    for work in works:
        yield run(work, limits, shots=shots, seed=seed, threads=threads)


# Retries are the runner's: it knows what was finished and which circuit was being run.
run_batch = ray.remote(max_retries=0, num_returns="streaming")(batch)


@contextmanager
def bounded_memory(allowance: int) -> Iterator[None]:
    """Let this process take ``allowance`` bytes more than it has; then allocations fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    with open("/proc/self/statm", "rb") as status:
        data = int(status.read().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (data + allowance, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
