"""Rooms: who is told what, in which order."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from actors.collab import effects
from actors.collab.effects import Address, Subscriber
from actors.collab.messages import Edit, Presence, Since, Sync
from actors.collab.presence import PRESENCE_TTL_MS
from actors.collab.room import Room
from actors.collab.sequencer import Sequencer

A, B = "client-a", "client-b"
AT_A, AT_B = Address(1, 1), Address(2, 1)


def room(text: str = "") -> Room:
    return Room("s", Sequencer(lineage="L", rev=0, state=text))


def subscriber(client: str, user: str, role: str = "editor") -> Subscriber:
    permissions = ("read", "write") if role == "editor" else ("read",)
    return Subscriber(client, user, role, permissions)


def edit(client: str, seq: int, rev: int, *ops: Any) -> Edit:
    return msgspec.convert(
        {"session": "s", "client": client, "seq": seq, "rev": rev, "ops": list(ops)}, Edit
    )


def say(client: str, rev: int, state: dict[str, Any] | None) -> Presence:
    return Presence(session="s", client=client, rev=rev, state=state)


def frame(effect: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(effect.payload)
    return value


@pytest.fixture
def two() -> Room:
    r = room("ab")
    r.subscribe(AT_A, subscriber(A, "alice"), None, None)
    r.subscribe(AT_B, subscriber(B, "bob"), None, 7)
    joined = r.finish()
    assert [type(e) for e in joined] == [effects.Joined, effects.Joined]
    assert frame(joined[1])["id"] == 7
    return r


def test_subscribed_carries_the_whole_state(two: Room) -> None:
    two.subscribe(Address(3, 1), subscriber("client-c", "carol", "viewer"), None, None)
    (joined,) = two.finish()
    assert frame(joined) == {
        "type": "subscribed", "session": "s", "kind": "text", "lineage": "L", "rev": 0,
        "client": "client-c", "acked": 0, "role": "viewer", "permissions": ["read"],
        "state": "ab", "comments": [], "presence": {}, "undo_depth": 0, "redo_depth": 0,
    }  # fmt: skip


def test_items_go_to_all_and_are_an_acknowledgement_to_their_author(two: Room) -> None:
    two.change(AT_A, edit(A, 1, 0, [2, [0, "c"]]), 9)
    (batch,) = two.finish()
    assert isinstance(batch, effects.Batch)
    assert batch.links == {1, 2}
    (item,) = batch.items
    full = {"rev": 1, "client": A, "user": "alice", "seq": 1, "kind": "edit", "ts": 9}
    assert json.loads(item.fragment(B)) == {**full, "op": [2, [0, "c"]]}
    assert json.loads(item.fragment(A)) == full


def test_nothing_is_said_before_the_round_ends(two: Room) -> None:
    """What is not committed must not be seen, by anyone, in any form."""
    two.change(AT_A, edit(A, 1, 0, [2, [0, "c"]]), 0)
    two.change(AT_A, edit(A, 1, 0, [2, [0, "c"]]), 0)
    two.subscribe(Address(3, 1), subscriber("client-c", "carol"), None, None)
    assert len(two.pending) == 1
    kinds = [type(e) for e in two.finish()]
    assert kinds == [effects.Batch, effects.Reply, effects.Joined]


def test_joining_and_items_leave_no_gap_and_no_overlap(two: Room) -> None:
    two.change(AT_A, edit(A, 1, 0, [2, [0, "c"]]), 0)
    two.subscribe(Address(3, 1), subscriber("client-c", "carol"), None, None)
    _, joined = two.finish()
    assert (frame(joined)["rev"], frame(joined)["state"]) == (1, "abc")
    two.change(AT_A, edit(A, 2, 1, [3, [0, "d"]]), 0)
    (batch,) = two.finish()
    assert isinstance(batch, effects.Batch)
    assert [i.rev for i in batch.items] == [2]
    assert 3 in batch.links


def test_since_is_served_from_history(two: Room) -> None:
    two.change(AT_A, edit(A, 1, 0, [2, [0, "c"]]), 0)
    two.change(AT_B, edit(B, 1, 0, [[0, "z"], 2]), 0)
    two.finish()
    two.subscribe(AT_A, subscriber(A, "alice"), Since("L", 0), None)
    (joined,) = two.finish()
    value = frame(joined)
    assert "state" not in value
    assert value["acked"] == 1
    assert [("op" in i, i["rev"]) for i in value["items"]] == [(False, 1), (True, 2)]


@pytest.mark.parametrize("since", [Since("other", 0), Since("L", 99)])
def test_a_since_that_is_not_ours_gets_the_state(two: Room, since: Since) -> None:
    two.sync(AT_A, Sync(session="s", since=since))
    (reply,) = two.finish()
    assert frame(reply)["type"] == "snapshot"
    assert frame(reply)["state"] == "ab"


def test_sync_with_a_good_since_gets_items(two: Room) -> None:
    two.change(AT_B, edit(B, 1, 0, [[0, "z"], 2]), 0)
    two.finish()
    two.sync(AT_A, Sync(session="s", since=Since("L", 0), id="q"))
    (reply,) = two.finish()
    assert frame(reply)["type"] == "items"
    assert frame(reply)["id"] == "q"
    assert [i["rev"] for i in frame(reply)["items"]] == [1]


def test_the_newer_of_two_sockets_of_one_client_wins(two: Room) -> None:
    newer = Address(3, 9)
    two.subscribe(newer, subscriber(A, "alice"), None, None)
    kick, joined = two.finish()
    assert kick == effects.Kick(AT_A, 4504, "replaced by a newer socket")
    assert isinstance(joined, effects.Joined)
    two.change(AT_A, edit(A, 1, 0, [2]), 0)
    assert frame(two.finish()[0])["code"] == "not_subscribed"


def test_a_client_of_another_user_is_refused(two: Room) -> None:
    two.subscribe(Address(3, 1), subscriber(A, "mallory"), None, None)
    (reply,) = two.finish()
    assert frame(reply)["code"] == "forbidden"
    assert AT_A in two.subscribers


def test_a_viewer_cannot_write() -> None:
    r = room()
    r.subscribe(AT_A, subscriber(A, "alice", "viewer"), None, None)
    r.change(AT_A, edit(A, 1, 0, [[0, "x"]]), 0)
    nack = frame(r.finish()[0])
    assert (nack["type"], nack["code"], nack["seq"]) == ("nack", "forbidden", 1)
    assert r.sequencer.rev == 0


def test_whose_role_changes_is_told(two: Room) -> None:
    two.change(AT_A, edit(A, 1, 0, [2, [0, "c"]]), 9)
    two.set_role("bob", "viewer", ("read",))
    two.set_role("alice", "editor", ("read", "write"))  # as before: nothing to say
    batch, told = two.finish()
    assert isinstance(batch, effects.Batch)
    assert isinstance(told, effects.Joined)
    assert told.to == AT_B
    said = frame(told)
    assert (said["role"], said["permissions"], said["rev"]) == ("viewer", ["read"], 1)
    assert said["items"] == []
    two.set_role("bob", None, ())
    assert two.finish() == [effects.Kick(AT_B, 4501, "removed from the session")]


def test_one_socket_speaks_for_its_own_client_only(two: Room) -> None:
    two.change(AT_A, edit(B, 1, 0, [2]), 0)
    assert frame(two.finish()[0])["code"] == "forbidden"


def test_visitors_do_not_pile_up() -> None:
    r = room()
    for n in range(100):
        r.subscribe(AT_A, subscriber(f"client-{n:04}", "alice"), None, None)
        r.finish()
        r.unsubscribe(AT_A)
    assert not r.sequencer.clients
    assert not r.subscribers


def test_presence_is_merged_moved_and_forgotten(two: Room) -> None:
    two.say(AT_A, say(A, 0, {"cursor": 1, "selection": [[1, 2]], "name": "Ada"}), 0)
    two.say(AT_B, say(B, 0, {"cursor": 2}), 0)
    two.change(AT_B, edit(B, 1, 0, [[0, "xyz"], 2]), 0)
    two.finish()
    here = two.take_presence()
    assert here is not None
    assert frame(here) == {
        "type": "presence", "session": "s", "rev": 1,
        "clients": {
            A: {"user": "alice", "state": {"cursor": 4, "selection": [[4, 5]], "name": "Ada"}},
            B: {"user": "bob", "state": {"cursor": 5}},
        },
    }  # fmt: skip
    assert two.take_presence() is None
    two.presence.expire(PRESENCE_TTL_MS + 1)
    gone = two.take_presence()
    assert gone is not None
    assert frame(gone)["clients"] == {A: None, B: None}


def test_a_sign_of_life_keeps_presence(two: Room) -> None:
    two.say(AT_A, say(A, 0, {"cursor": 1}), 0)
    two.say(AT_B, say(B, 0, {"cursor": 1}), 0)
    two.take_presence()
    two.touch(AT_A, 50_000)
    two.presence.expire(PRESENCE_TTL_MS + 1)
    here = two.take_presence()
    assert here is not None
    assert frame(here)["clients"] == {B: None}


def test_presence_ends_with_the_socket(two: Room) -> None:
    two.say(AT_A, say(A, 0, {"cursor": 1}), 0)
    two.take_presence()
    two.link_lost(1)
    here = two.take_presence()
    assert here is not None
    assert frame(here)["clients"] == {A: None}


def test_a_nonsense_position_in_presence_is_dropped(two: Room) -> None:
    two.say(AT_A, say(A, 0, {"cursor": 10**9, "selection": [["x", None]], "k": 1}), 0)
    two.change(AT_B, edit(B, 1, 0, [[0, "x"], 2]), 0)
    two.finish()
    here = two.take_presence()
    assert here is not None
    assert frame(here)["clients"][A]["state"] == {"selection": [["x", None]], "k": 1}
