"""Which circuits run next, together with which: the job runner's pure core.

Users take turns; a user's jobs run in the order they came, a job's circuits in theirs. Cheap
circuits of one job share a batch, since starting a task costs more than running them; an expensive
one has a batch to itself. A batch that dies charges the circuit it was at, and its unfinished
neighbours go back to the front of the queue uncharged.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from quantum.plan import Method

# A Ray task costs some 5 ms here; a batch of this much work makes that unimportant.
BATCH_MS = 100.0
BATCH_CIRCUITS = 64
# Threads gain nothing below 20 qubits (measured), and cost determinism nothing above.
THREADS_FROM_QUBITS = 20
MAX_THREADS = 4
# A worker may die of something else (the machine, the memory of a neighbour) once or twice.
MAX_ATTEMPTS = 3


@dataclass(slots=True)
class Task:
    """One circuit that waits for its turn."""

    position: int
    cost_ms: float
    qubits: int
    method: Method = "statevector"
    memory_bytes: int = 0
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Circuits of one job that run in one Ray task, in order."""

    id: int
    job: str
    tasks: tuple[Task, ...]
    threads: int


@dataclass(slots=True)
class Queue:
    """A job's circuits: those that wait, and the batches that run."""

    job: str
    user: str
    pending: deque[Task]
    total: int
    shots: int
    seed: int
    stored: int
    """Circuits whose results are committed."""
    running: dict[int, Batch] = field(default_factory=dict)


class Scheduler:
    """All unfinished jobs of a runner.

    Args:
        cpus: threads that may be taken at once.
    """

    def __init__(self, cpus: int) -> None:
        self.cpus = cpus
        self.jobs: dict[str, Queue] = {}
        self._users: OrderedDict[str, deque[str]] = OrderedDict()
        self._taken = 0
        self._ids = itertools.count(1)

    def add(
        self, job: str, user: str, tasks: list[Task], *, total: int, shots: int = 1, seed: int = 0
    ) -> bool:
        """Queue a job's unfinished circuits; False when the job is already known."""
        if job in self.jobs:
            return False
        self.jobs[job] = Queue(job, user, deque(tasks), total, shots, seed, total - len(tasks))
        self._users.setdefault(user, deque()).append(job)
        return True

    def next(self) -> Batch | None:
        """Return what to run now, if there is something and threads are free for it."""
        for user in list(self._users):
            jobs = self._users[user]
            while jobs and not self._waits(jobs[0]):
                jobs.popleft()
            if not jobs:
                del self._users[user]
                continue
            queue = self.jobs[jobs[0]]
            threads = self.threads(queue.pending[0])
            # One batch beyond what runs: it waits in Ray and starts without our round trip.
            if self._taken and self._taken + threads > self.cpus + 1:
                return None
            self._users.move_to_end(user)
            return self._take(queue, threads)
        return None

    def threads(self, task: Task) -> int:
        """Return how many threads a circuit gets: half the CPUs at most, so others can run."""
        if task.qubits < THREADS_FROM_QUBITS:
            return 1
        return max(1, min(MAX_THREADS, self.cpus // 2))

    def ended(self, batch: Batch) -> None:
        """Note that a batch runs no more, with all its circuits finished."""
        self._release(batch)

    def broken(self, batch: Batch, finished: int) -> Task | None:
        """Note that a batch died after ``finished`` of its circuits; queue the rest again.

        Returns:
            The circuit it was at, when that has now been tried too often and is given up.
        """
        self._release(batch)
        queue = self.jobs.get(batch.job)
        rest = list(batch.tasks[finished:])
        if queue is None or not rest:
            return None
        culprit = rest[0]
        culprit.attempts += 1
        given_up = culprit if culprit.attempts >= MAX_ATTEMPTS else None
        self._requeue(queue, rest[1:] if given_up else rest)
        return given_up

    def overdue(self, batch: Batch, finished: int) -> Task | None:
        """Note that a batch was ended because its current circuit took too long; return that."""
        self._release(batch)
        queue = self.jobs.get(batch.job)
        rest = list(batch.tasks[finished:])
        if queue is None or not rest:
            return None
        self._requeue(queue, rest[1:])
        return rest[0]

    def drop(self, job: str) -> list[Batch]:
        """Forget a job; return its batches that still run, which the caller ends."""
        queue = self.jobs.pop(job, None)
        return list(queue.running.values()) if queue else []

    def _waits(self, job: str) -> bool:
        queue = self.jobs.get(job)
        return queue is not None and bool(queue.pending)

    def _take(self, queue: Queue, threads: int) -> Batch:
        tasks = [queue.pending.popleft()]
        cost = tasks[0].cost_ms
        # What was tried before runs alone: it may have been what killed its neighbours' batch.
        while (
            queue.pending
            and len(tasks) < BATCH_CIRCUITS
            and not tasks[0].attempts
            and not queue.pending[0].attempts
            and cost + queue.pending[0].cost_ms <= BATCH_MS
            and self.threads(queue.pending[0]) == threads
        ):
            tasks.append(queue.pending.popleft())
            cost += tasks[-1].cost_ms
        batch = Batch(next(self._ids), queue.job, tuple(tasks), threads)
        queue.running[batch.id] = batch
        self._taken += threads
        return batch

    def _requeue(self, queue: Queue, tasks: list[Task]) -> None:
        if not tasks:
            return
        queue.pending.extendleft(reversed(tasks))
        jobs = self._users.setdefault(queue.user, deque())
        if queue.job not in jobs:
            jobs.appendleft(queue.job)

    def _release(self, batch: Batch) -> None:
        self._taken -= batch.threads
        queue = self.jobs.get(batch.job)
        if queue is not None:
            queue.running.pop(batch.id, None)
