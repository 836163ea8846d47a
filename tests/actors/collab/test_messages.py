"""Client messages: every malformed one is answered with what was expected and what came."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.collab.messages import BadMessage, Edit, Ping, Since, Subscribe, decode

EDIT = {"type": "edit", "session": "s", "client": "client-a", "seq": 1, "rev": 0, "ops": [[1]]}


def test_reads() -> None:
    assert isinstance(decode(json.dumps(EDIT)), Edit)
    assert decode('{"type":"ping","t":1.5}') == Ping(t=1.5)
    since = {"lineage": "L", "rev": 3}
    message = {"type": "subscribe", "session": "s", "client": "client-a", "since": since}
    assert decode(json.dumps(message)) == Subscribe("s", "client-a", None, Since("L", 3))


SUBSCRIBE_BY_NUMBER = '{"type":"subscribe","session":"s","client":"client-a","since":3}'
HALF_A_PAIR = json.dumps({**EDIT, "ops": [[[0, "\ud800"]]]})


@pytest.mark.parametrize(
    ("frame", "code", "id_"),
    [
        ("", "invalid_message", None),
        ("{", "invalid_message", None),
        ("[]", "invalid_message", None),
        ("3", "invalid_message", None),
        ("[" * 100_000, "invalid_message", None),
        ('{"type":"nope","id":7}', "unknown_type", 7),
        ('{"id":"x"}', "invalid_message", "x"),
        ('{"type":3}', "invalid_message", None),
        (json.dumps({**EDIT, "seq": 0, "id": 1}), "invalid_message", 1),
        (json.dumps({**EDIT, "seq": "1"}), "invalid_message", None),
        (json.dumps({**EDIT, "seq": 2**60}), "invalid_message", None),
        (json.dumps({**EDIT, "rev": -1}), "invalid_message", None),
        (json.dumps({**EDIT, "client": "short"}), "invalid_message", None),
        (json.dumps({**EDIT, "client": "with space"}), "invalid_message", None),
        (json.dumps({**EDIT, "ops": []}), "invalid_message", None),
        (json.dumps({**EDIT, "ops": [5]}), "invalid_message", None),
        (json.dumps({**EDIT, "id": "x" * 65}), "invalid_message", None),
        ('{"type":"subscribe","session":"s"}', "invalid_message", None),
        ('{"type":"subscribe"}', "invalid_message", None),
        ('{"type":"subscribe","channel":"job"}', "invalid_message", None),
        (SUBSCRIBE_BY_NUMBER, "invalid_message", None),
        (HALF_A_PAIR, "invalid_message", None),
        (json.dumps({"type": "presence", "session": "s", "client": "client-a", "rev": 0,
                     "state": {"x": "y" * 3_000}}), "too_large", None),
    ],
)  # fmt: skip
def test_refuses(frame: str, code: str, id_: object) -> None:
    with pytest.raises(BadMessage) as caught:
        decode(frame)
    assert caught.value.code == code
    assert caught.value.id == id_
    assert caught.value.message


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["type", "session", "ops", "id", "x"]), inner)
        ),
    )
)
def test_never_raises_anything_else(value: object) -> None:
    with contextlib.suppress(BadMessage):
        decode(json.dumps(value))
