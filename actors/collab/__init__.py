"""The live session's pure core: what is accepted, in which order, and who is told what.

Nothing here knows Ray, sockets, storage or the clock: events come in as values with the time
beside them, and what is to be done comes back as values. ``actors.host`` is the shell.

- ``messages``: every message a client may send, typed; one place for sizes and forms.
- ``history``: items, the bounded memory of recent ones, and their wire form.
- ``sequencer``: one document: mapping, deduplication, acceptance.
- ``undo``: what each user can take back and bring back, and what that comes to.
- ``anchors``, ``comments``: what was said, and about which place.
- ``presence``: who is where, latest wins.
- ``room``: a session with its subscribers; turns messages into ``effects``.

See ``docs/protocol.md`` and ``docs/collaboration.md``.
"""
