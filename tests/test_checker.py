"""The checker sees each thing that can go wrong: honest runs pass, doctored ones do not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.checker import Record, Stored, check

LINEAGE = "L1"


def honest() -> tuple[Record, Record, Stored]:
    """Two who typed at the same place at once; then one commented, and one undid."""
    a, b = Record("tab-aaaa", "alice"), Record("tab-bbbb", "bob")
    sent = {
        "first": {"type": "edit", "seq": 1, "rev": 0, "ops": [[2, [0, "<a0>"]], [6, [0, "!"]]]},
        "other": {"type": "edit", "seq": 1, "rev": 0, "ops": [[2, [0, "<b0>"]]]},
        "said": {"type": "comment", "seq": 3, "rev": 2, "action": "add", "text": "hm",
                 "anchor": {"line": 1}},
        "back": {"type": "undo", "seq": 2},
    }  # fmt: skip
    said = {"action": "add", "text": "hm", "anchor": {"line": 1}, "comment": "c4", "thread": "t4"}
    items = [
        _item(1, a, 1, "edit", op=[2, [0, "<a0>"]]),
        _item(2, a, 2, "edit", op=[6, [0, "!"]]),
        _item(3, b, 1, "edit", op=[7, [0, "<b0>"]]),
        _item(4, a, 3, "comment", comment=said),
        _item(5, b, 2, "undo", op=[7, [4]]),
    ]
    a.sent = [(0.0, sent["first"]), (0.2, sent["first"]), (0.3, sent["said"])]
    b.sent = [(0.0, sent["other"]), (0.4, sent["back"])]
    a.typed, b.typed = ["<a0>"], ["<b0>"]
    a.repeated = [(0.3, 1, 1), (0.3, 2, 2)]
    for record in (a, b):
        record.begun = [(LINEAGE, 0)]
        record.text, record.rev = "ab<a0>!", 5
        for item in items:
            shown = dict(item)
            if item["client"] == record.client:
                record.acknowledged.append((0.5, item["seq"], item["rev"]))
                if item["kind"] == "edit":
                    del shown["op"]
            record.seen.append((0.5, LINEAGE, shown))
    return a, b, Stored("ab", items, LINEAGE, 5, "ab<a0>!")


def _item(rev: int, record: Record, seq: int, kind: str, **more: Any) -> dict[str, Any]:
    return {
        "rev": rev, "client": record.client, "user": record.user, "seq": seq, "kind": kind,
        "ts": 1_000 + rev, **more,
    }  # fmt: skip


def test_an_honest_run_is_sound() -> None:
    a, b, stored = honest()
    assert check([a, b], stored) == []


def lost(a: Record, b: Record, stored: Stored) -> None:
    a.acknowledged.append((0.6, 4, 6))


def moved(a: Record, b: Record, stored: Stored) -> None:
    b.acknowledged[0] = (0.5, 1, 4)


def told_twice(a: Record, b: Record, stored: Stored) -> None:
    a.repeated.append((0.6, 1, 2))


def repeated_for_nothing(a: Record, b: Record, stored: Stored) -> None:
    b.repeated.append((0.6, 9, 9))


def doubled(a: Record, b: Record, stored: Stored) -> None:
    stored.items[4].update(kind="edit", op=[7, [0, "<a0>"]])


def missing(a: Record, b: Record, stored: Stored) -> None:
    b.typed.append("<b1>")


def number_twice(a: Record, b: Record, stored: Stored) -> None:
    stored.items[1]["seq"] = 1


def hole(a: Record, b: Record, stored: Stored) -> None:
    stored.items[3]["rev"] = 9


def nobodys(a: Record, b: Record, stored: Stored) -> None:
    stored.items[3]["client"] = "tab-cccc"


def other_content(a: Record, b: Record, stored: Stored) -> None:
    stored.items[0]["op"] = [2, [0, "<a1>"]]


def wrong_side(a: Record, b: Record, stored: Stored) -> None:
    stored.items[2]["op"] = [2, [0, "<b0>"], 5]


def other_words(a: Record, b: Record, stored: Stored) -> None:
    stored.items[3]["comment"]["text"] = "ha"


def other_kind(a: Record, b: Record, stored: Stored) -> None:
    stored.items[4]["kind"] = "redo"


def gap_seen(a: Record, b: Record, stored: Stored) -> None:
    del b.seen[2]


def seen_twice(a: Record, b: Record, stored: Stored) -> None:
    b.seen.insert(2, b.seen[1])


def order_seen(a: Record, b: Record, stored: Stored) -> None:
    b.seen[0], b.seen[1] = b.seen[1], b.seen[0]


def shown_but_not_stored(a: Record, b: Record, stored: Stored) -> None:
    b.seen.append((0.7, LINEAGE, _item(6, a, 4, "edit", op=[7, [0, "?"]])))


def shown_otherwise(a: Record, b: Record, stored: Stored) -> None:
    b.seen[0][2]["op"] = [2, [0, "<a9>"]]


def other_lineage(a: Record, b: Record, stored: Stored) -> None:
    a.begun.append(("L2", 5))


def diverged(a: Record, b: Record, stored: Stored) -> None:
    b.text = "ab<a0>?"


def behind(a: Record, b: Record, stored: Stored) -> None:
    b.rev = 4


def other_state(a: Record, b: Record, stored: Stored) -> None:
    stored.items[4]["op"] = [7, [3], 1]


def impossible(a: Record, b: Record, stored: Stored) -> None:
    stored.items[1]["op"] = [60, [0, "!"]]


@pytest.mark.parametrize(
    ("doctor", "found"),
    [
        (lost, "acknowledged as rev 6, is not there"),
        (moved, "acknowledged as rev 4, is not there"),
        (told_twice, "acknowledged as rev 1 and 2"),
        (repeated_for_nothing, "acknowledged as rev 9, is not there"),
        (doubled, "<a0>, which is in history 2 times"),
        (missing, "<b1>, which is in history 0 times"),
        (number_twice, "has seq 1, expected 2"),
        (hole, "has not each rev from 1 to 5 once"),
        (nobodys, "nobody sent seq 3 of tab-cccc"),
        (other_content, "rev 1 is not what tab-aaaa sent as seq 1"),
        (wrong_side, "rev 3 is not what tab-bbbb sent as seq 1"),
        (other_words, "rev 4 is not what tab-aaaa sent as seq 3"),
        (other_kind, "rev 5 is not what tab-bbbb sent as seq 2"),
        (gap_seen, "saw rev 4 after 2"),
        (seen_twice, "saw rev 2 after 2"),
        (order_seen, "saw rev 2 after None"),
        (shown_but_not_stored, "saw at rev 6 what is not stored there"),
        (shown_otherwise, "saw at rev 1 what is not stored there"),
        (other_lineage, "followed another lineage than L1"),
        (diverged, "another text than rev 5 has"),
        (behind, "shows rev 4"),
        (other_state, "do not come to the stored state"),
        (impossible, "changes 60 units, the document has 6"),
    ],
)
def test_each_violation_is_seen(doctor: Callable[..., None], found: str) -> None:
    a, b, stored = copy.deepcopy(honest())
    doctor(a, b, stored)
    violations = check([a, b], stored)
    assert any(found in violation for violation in violations), violations
