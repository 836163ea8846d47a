"""What runs next: everything once, everybody in turn, nobody hurt by a neighbour's death."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from actors.schedule import BATCH_CIRCUITS, BATCH_MS, MAX_ATTEMPTS, Batch, Scheduler, Task


def cheap(count: int, cost_ms: float = 1.0) -> list[Task]:
    return [Task(position, cost_ms, 3) for position in range(count)]


def drain(scheduler: Scheduler) -> list[Batch]:
    """Run everything there is, one batch at a time."""
    batches = []
    while (batch := scheduler.next()) is not None:
        batches.append(batch)
        scheduler.ended(batch)
    return batches


def positions(batch: Batch) -> list[int]:
    return [task.position for task in batch.tasks]


def test_cheap_circuits_share_a_batch_and_expensive_ones_do_not() -> None:
    scheduler = Scheduler(2)
    costs = [1.0] * 10 + [500.0] + [1.0] * 3
    tasks = [Task(position, cost, 3) for position, cost in enumerate(costs)]
    scheduler.add("j", "ada", tasks, total=14)
    assert [positions(batch) for batch in drain(scheduler)] == [
        list(range(10)), [10], [11, 12, 13],
    ]  # fmt: skip


def test_a_batch_has_a_limit() -> None:
    scheduler = Scheduler(1)
    scheduler.add("j", "ada", cheap(200, 0.1), total=200)
    assert max(len(batch.tasks) for batch in drain(scheduler)) == BATCH_CIRCUITS
    scheduler.add("k", "ada", cheap(200, 40.0), total=200)
    batches = drain(scheduler)
    assert all(sum(task.cost_ms for task in batch.tasks) <= BATCH_MS for batch in batches)


def test_users_take_turns_and_ones_jobs_keep_their_order() -> None:
    scheduler = Scheduler(1)
    for job, user in [("a1", "ada"), ("a2", "ada"), ("b1", "bob"), ("c1", "cy")]:
        scheduler.add(job, user, cheap(2, 90.0), total=2)
    order = [batch.job for batch in drain(scheduler)]
    assert order == ["a1", "b1", "c1", "a1", "b1", "c1", "a2", "a2"]


def test_no_more_runs_than_there_are_threads() -> None:
    scheduler = Scheduler(4)
    scheduler.add("j", "ada", [Task(i, 500.0, 3) for i in range(20)], total=20)
    running = []
    while (batch := scheduler.next()) is not None:
        running.append(batch)
    # One more than run waits in Ray, so that a free CPU does not wait for us.
    assert len(running) == 5
    scheduler.ended(running[0])
    assert scheduler.next() is not None
    assert scheduler.next() is None


def test_wide_circuits_get_half_the_threads() -> None:
    scheduler = Scheduler(8)
    assert scheduler.threads(Task(0, 1.0, 19)) == 1
    assert scheduler.threads(Task(0, 1.0, 25)) == 4
    assert Scheduler(2).threads(Task(0, 1.0, 25)) == 1


def test_a_death_charges_the_circuit_it_was_at() -> None:
    scheduler = Scheduler(1)
    scheduler.add("j", "ada", cheap(5), total=5)
    batch = scheduler.next()
    assert batch is not None
    assert scheduler.broken(batch, 2) is None
    # The one it was at runs alone now, its neighbours after it, together.
    again = drain(scheduler)
    assert [positions(batch) for batch in again] == [[2], [3, 4]]
    assert [task.attempts for batch in again for task in batch.tasks] == [1, 0, 0]


def test_a_circuit_that_keeps_killing_is_given_up() -> None:
    scheduler = Scheduler(1)
    scheduler.add("j", "ada", cheap(2), total=2)
    given_up = None
    for _ in range(MAX_ATTEMPTS):
        assert given_up is None
        batch = scheduler.next()
        assert batch is not None
        given_up = scheduler.broken(batch, 0)
    assert given_up is not None
    assert given_up.position == 0
    assert [positions(batch) for batch in drain(scheduler)] == [[1]]


def test_one_that_takes_too_long_is_given_up_at_once() -> None:
    scheduler = Scheduler(1)
    scheduler.add("j", "ada", cheap(3), total=3)
    batch = scheduler.next()
    assert batch is not None
    overdue = scheduler.overdue(batch, 1)
    assert overdue is not None
    assert overdue.position == 1
    assert [positions(batch) for batch in drain(scheduler)] == [[2]]


def test_a_dropped_job_runs_no_more() -> None:
    scheduler = Scheduler(1)
    scheduler.add("j", "ada", cheap(4, 90.0), total=4)
    batch = scheduler.next()
    assert batch is not None
    assert scheduler.drop("j") == [batch]
    assert scheduler.broken(batch, 0) is None
    assert scheduler.next() is None
    assert scheduler.drop("j") == []
    # Its threads are free again.
    scheduler.add("k", "ada", cheap(1), total=1)
    assert scheduler.next() is not None


def test_a_known_job_is_not_added_twice() -> None:
    scheduler = Scheduler(1)
    assert scheduler.add("j", "ada", cheap(1), total=1)
    assert not scheduler.add("j", "ada", cheap(1), total=1)
    assert len(drain(scheduler)) == 1


@given(st.integers(0, 2**32), st.integers(1, 8))
def test_whatever_dies_every_circuit_ends_once(seed: int, cpus: int) -> None:
    chance = random.Random(seed)
    scheduler = Scheduler(cpus)
    waiting = [(f"j{index}", chance.choice("abc"), chance.randint(0, 40)) for index in range(6)]
    expected = {(job, position) for job, _, count in waiting for position in range(count)}
    ended: list[tuple[str, int]] = []
    running: list[Batch] = []
    for _ in range(10_000):
        if waiting and chance.random() < 0.2:
            job, user, count = waiting.pop()
            tasks = [
                Task(i, chance.choice([0.5, 30.0, 500.0]), chance.choice([3, 25]))
                for i in range(count)
            ]
            scheduler.add(job, user, tasks, total=count)
        batch = scheduler.next()
        if batch is not None:
            running.append(batch)
            assert sum(each.threads for each in running) <= cpus + 1
            continue
        if not running:
            if not waiting:
                break
            continue
        batch = running.pop(chance.randrange(len(running)))
        finished = chance.randint(0, len(batch.tasks))
        ended += [(batch.job, task.position) for task in batch.tasks[:finished]]
        if finished == len(batch.tasks):
            scheduler.ended(batch)
            continue
        died = chance.choice([scheduler.broken, scheduler.overdue])(batch, finished)
        if died is not None:
            ended.append((batch.job, died.position))
    assert len(ended) == len(set(ended))
    assert set(ended) == expected
