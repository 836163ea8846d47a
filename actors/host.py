"""The shell around rooms: it commits, then it tells.

One event loop works in rounds. While a commit runs, messages gather; when it returns, its items are
published and the next round begins (group commit, self-clocking: no delay when idle, larger groups
under load). One transaction covers all sessions of the actor.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from actors import log as records
from actors import wire
from actors.archive import Archive
from actors.collab import effects
from actors.collab.effects import Address, Joining, LookUp, Subscriber, Waiting
from actors.collab.messages import nack_frame
from actors.collab.presence import PRESENCE_INTERVAL_MS
from actors.collab.room import Room, answer_known
from actors.stream import Stream, StreamServer
from cluster.identity.roles import PERMISSIONS, Role
from cluster.storage import items as log_store
from cluster.storage.database import Database
from cluster.storage.items import SnapshotValues
from cluster.telemetry import get_logger

log = get_logger(__name__)

# Messages that wait for their round. Beyond it, edits are refused (`overloaded`) at once.
INBOX = 20_000
# How stale a session's "last changed" may be; it orders lists, so not every commit must write it.
TOUCH_INTERVAL_S = 5.0
# How long a change of role outlives the messages that were on their way when it was made.
ROLE_MEMORY_S = 30.0
GOING_AWAY = 4000


@dataclass(slots=True)
class Live:
    """A loaded session and what its shell knows of it."""

    room: Room
    epoch: int
    snapshot_rev: int
    idle_since: float
    snapshotting: bool = False
    presence_due: float = 0.0
    touch_due: float = 0.0


class SessionHost:
    """The sessions of one process. `SessionActor` is its Ray face; tests drive it directly."""

    def __init__(
        self,
        database: Database,
        *,
        max_length: int,
        snapshot_every: int,
        history_keep_revs: int = 0,
    ) -> None:
        self._database = database
        self._max_length = max_length
        self._snapshot_every = snapshot_every
        self._archive = Archive(database, keep_revs=history_keep_revs)
        self._roles: dict[tuple[str, str], tuple[float, Role | None]] = {}
        self._live: dict[str, Live] = {}
        self._streams: dict[int, Stream] = {}
        self._inbox: list[tuple[Stream, wire.ToActor]] = []
        self._wake = asyncio.Event()
        self._jobs: set[asyncio.Task[None]] = set()
        self._resumed: list[tuple[str, Live, Callable[[], None]]] = []
        self.server = StreamServer(self)

    def start(self) -> None:
        """Begin working."""
        self._spawn(self._work())
        self._spawn(self._tick())

    async def stop(self) -> None:
        """Cancel everything; what is not committed was never acknowledged."""
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        for stream in self._streams.values():
            stream.close()
        await self.server.close()

    # --- who owns what ---------------------------------------------------------------------

    async def acquire(self, session: str, epoch: int) -> None:
        """Load a session under ``epoch``; an older owner's memory of it here is dropped.

        Raises:
            NotFound: there is no such session. Any failure leaves it not loaded: unavailable,
                never empty.
        """
        self.release(session)
        sequencer, snapshot_rev = await self._archive.load(session, epoch, self._max_length)
        self._live[session] = Live(Room(session, sequencer), epoch, snapshot_rev, time.monotonic())
        log.info("session loaded", session=session, epoch=epoch, rev=sequencer.rev)

    def release(self, session: str, code: int = GOING_AWAY, reason: str = "session moved") -> None:
        """Forget a session; its sockets are closed with ``code``."""
        live = self._live.pop(session, None)
        if live is None:
            return
        for link in {address.link for address in live.room.subscribers}:
            self._send(link, wire.Ended(session, code, reason))
        log.info("session released", session=session, reason=reason)

    def set_role(self, session: str, user: str, role: Role | None) -> None:
        """Change what a user may do in a session, from the next message on.

        A subscription that was let in just before may still be on its way with the role it had:
        for a while, what was decided here wins.
        """
        now = time.monotonic()
        self._roles = {k: v for k, v in self._roles.items() if v[0] > now}
        self._roles[session, user] = (now + ROLE_MEMORY_S, role)
        live = self._live.get(session)
        if live is not None:
            self._resume(session, live, lambda: self._correct_role(session, user, live.room))

    def _correct_role(self, session: str, user: str, room: Room) -> None:
        until, role = self._roles.get((session, user), (0.0, None))
        if until > time.monotonic():
            permissions = () if role is None else tuple(p.value for p in PERMISSIONS[role])
            room.set_role(user, role, permissions)

    def holds(self, session: str) -> bool:
        """Say whether a session is loaded."""
        return session in self._live

    def sessions(self) -> dict[str, int]:
        """Return ``{session: epoch}`` of what is loaded."""
        return {session: live.epoch for session, live in self._live.items()}

    async def passivate(self, idle_s: float) -> list[str]:
        """Unload the sessions without subscribers for so long; return which."""
        unloaded = []
        for session, live in list(self._live.items()):
            if self._is_idle(live, idle_s):
                if live.room.sequencer.rev > live.snapshot_rev:
                    await (self._start_snapshot(session, live) or asyncio.sleep(0))
                if self._is_idle(live, idle_s):  # nobody came meanwhile
                    self.release(session, reason="idle")
                    unloaded.append(session)
        return unloaded

    @staticmethod
    def _is_idle(live: Live, idle_s: float) -> bool:
        return (
            not live.room.subscribers
            and not live.room.pending
            and time.monotonic() - live.idle_since > idle_s
        )

    # --- stream handler --------------------------------------------------------------------

    def stream_opened(self, stream: Stream) -> None:
        """Take a replica's stream."""
        self._streams[stream.id] = stream

    def stream_frame(self, stream: Stream, frame: bytes) -> None:
        """Queue a replica's message for the next round."""
        try:
            message = wire.decode_to_actor(frame)
        except msgspec.DecodeError:
            log.exception("stream frame not understood")
            stream.close()
            return
        if len(self._inbox) >= INBOX and isinstance(message, wire.ChangeFrom):
            change = message.change
            payload = nack_frame(change, "overloaded", "too busy", retry_after_ms=1_000)
            stream.send(wire.encode(wire.Reply(message.socket, payload)))
            return
        self._inbox.append((stream, message))
        self._wake.set()

    def stream_closed(self, stream: Stream) -> None:
        """A replica is gone, with its sockets."""
        self._streams.pop(stream.id, None)
        self._inbox = [entry for entry in self._inbox if entry[0] is not stream]
        for live in self._live.values():
            live.room.link_lost(stream.id)
            live.idle_since = time.monotonic()

    # --- rounds ----------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            inbox, self._inbox = self._inbox, []
            resumed, self._resumed = self._resumed, []
            touched: dict[str, Live] = {}
            now = time.time_ns() // 1_000_000
            for session, live, resume in resumed:
                if self._live.get(session) is live:
                    touched[session] = live
                    self._guarded("resuming", resume)
            for stream, message in inbox:
                take = partial(self._take, stream, message, now, touched)
                self._guarded(type(message).__name__, take)
            await self._commit(touched)
            for session, live in touched.items():
                if self._live.get(session) is live:
                    self._finish(session, live)

    @staticmethod
    def _guarded(kind: str, step: Callable[[], None]) -> None:
        """Do one step of a round: whatever goes wrong in it must not end the others' sessions."""
        try:
            step()
        except Exception:
            log.exception("message failed", kind=kind)

    def _take(
        self, stream: Stream, message: wire.ToActor, now: int, touched: dict[str, Live]
    ) -> None:
        session = _session_of(message)
        live = self._live.get(session)
        if live is None:
            if isinstance(message, wire.Follow | wire.ChangeFrom):
                self._send(stream.id, wire.Ended(session, GOING_AWAY, "session not here"))
            return
        touched[session] = live
        room = live.room
        at = Address(stream.id, message.socket)
        if isinstance(message, wire.ChangeFrom):
            self._fetch_for(session, live, room.change(at, message.change, now))
        elif isinstance(message, wire.PresenceFrom):
            room.say(at, message.presence, now)
        elif isinstance(message, wire.Follow):
            who = Subscriber(message.client, message.user, message.role, message.permissions)
            room.subscribe(at, who, message.since, message.id)
            self._correct_role(session, message.user, room)
            self._postpone_older(session, live)
        elif isinstance(message, wire.SyncFrom):
            room.sync(at, message.sync)
            self._postpone_older(session, live)
        elif isinstance(message, wire.Alive):
            room.touch(at, now)
        elif isinstance(message, wire.Unfollow):
            room.unsubscribe(at)
            live.idle_since = time.monotonic()

    async def _commit(self, touched: dict[str, Live]) -> None:
        """Make the round's items durable; sessions whose items cannot be are released."""
        appends = []
        now = time.monotonic()
        for session, live in touched.items():
            if live.room.pending:
                rows = [records.to_row(session, live.epoch, item) for item in live.room.pending]
                touch = now >= live.touch_due
                if touch:
                    live.touch_due = now + TOUCH_INTERVAL_S
                appends.append(log_store.Append(session, live.epoch, rows, touch=touch))
        if not appends:
            return
        try:
            refused = await log_store.append(self._database, appends)
        except Exception:
            # Unknown outcome: what was sent may or may not be there. Forget the memory; the next
            # owner reads the truth, and clients resend what they have no answer for.
            log.exception("commit failed", sessions=[a.session for a in appends])
            for append in appends:
                self.release(append.session, reason="storage unavailable")
            return
        for session in refused:
            self.release(session, reason="owned by another")

    def _finish(self, session: str, live: Live) -> None:
        for effect in live.room.finish():
            if isinstance(effect, LookUp):
                self._spawn(self._look_up(effect))
            else:
                self._perform(session, effect)
        live.idle_since = time.monotonic()
        self._tell_presence(session, live)
        if live.room.sequencer.rev - live.snapshot_rev >= self._snapshot_every:
            self._start_snapshot(session, live)

    def _tell_presence(self, session: str, live: Live) -> None:
        """Send the merged presence, if there is any and the last went out long enough ago.

        Only between rounds: positions are true at a rev that everyone has by then.
        """
        now = time.monotonic()
        if live.room.presence.changed and now >= live.presence_due:
            live.presence_due = now + PRESENCE_INTERVAL_MS / 1_000
            frame = live.room.take_presence()
            if frame is not None:
                self._perform(session, frame)

    def _start_snapshot(self, session: str, live: Live) -> asyncio.Task[None] | None:
        """Keep the state as it is now; call between rounds, when all of it is durable."""
        if live.snapshotting:
            return None
        live.snapshotting = True
        return self._spawn(self._snapshot(session, live, records.snapshot(live.room.sequencer)))

    def _perform(self, session: str, effect: effects.Effect) -> None:
        if isinstance(effect, effects.Batch):
            frame = wire.encode(
                wire.Items(session, [(i.client, i.full, i.own) for i in effect.items])
            )
            for link in effect.links:
                self._send_raw(link, frame)
        elif isinstance(effect, effects.Here):
            frame = wire.encode(wire.Broadcast(session, effect.payload))
            for link in effect.links:
                self._send_raw(link, frame)
        elif isinstance(effect, effects.Reply):
            self._send(effect.to.link, wire.Reply(effect.to.socket, effect.payload))
        elif isinstance(effect, effects.Joined):
            joined = wire.Joined(effect.to.socket, session, effect.client, effect.payload)
            self._send(effect.to.link, joined)
        elif isinstance(effect, effects.Kick):
            self._send(effect.to.link, wire.Kick(effect.to.socket, effect.code, effect.reason))

    # --- beside the rounds -----------------------------------------------------------------

    def _postpone_older(self, session: str, live: Live) -> None:
        for joining in live.room.needs_older():
            live.room.postpone(joining)
            self._spawn(self._fetch_older(session, live, joining))

    async def _fetch_older(self, session: str, live: Live, joining: Joining) -> None:
        """Read what a joining client missed from storage, if it is not too much."""
        assert joining.since is not None  # noqa: S101
        since, base = joining.since.rev, live.room.sequencer.ring.base
        rows = await self._archive.between(session, since, base)
        if rows is None:
            joining.since = None  # not to be had: the whole state instead
        else:
            client = live.room.client_at(joining.at)
            joining.older = [records.fragment(row, client) for row in rows]
        self._resume(session, live, lambda: live.room.resume(joining))

    def _fetch_for(self, session: str, live: Live, waiting: Waiting | None) -> None:
        if waiting is not None:
            self._spawn(self._fetch_items(session, live, waiting))

    async def _fetch_items(self, session: str, live: Live, waiting: Waiting) -> None:
        """Read the items from storage that an undo goes back to."""
        sequencer = live.room.sequencer
        rows = await self._archive.between(session, waiting.rev - 1, sequencer.ring.base)
        older = [records.from_row(row, sequencer.kind) for row in rows or ()]
        self._resume(
            session,
            live,
            lambda: self._fetch_for(session, live, live.room.resume_change(waiting, older)),
        )

    def _resume(self, session: str, live: Live, resume: Callable[[], None]) -> None:
        """Go on in the next round."""
        self._resumed.append((session, live, resume))
        self._wake.set()

    async def _look_up(self, look_up: LookUp) -> None:
        known = look_up.known
        found = await self._archive.known(look_up.message, known.seqs, known.digests)
        if found is not None:  # else no answer: the client will ask again
            for frame in answer_known(look_up.message, known, found):
                self._send(look_up.to.link, wire.Reply(look_up.to.socket, frame))

    async def _snapshot(self, session: str, live: Live, values: SnapshotValues) -> None:
        if await self._archive.keep(session, live.epoch, values):
            live.snapshot_rev = values.rev
        live.snapshotting = False

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(PRESENCE_INTERVAL_MS / 1_000)
            now = time.time_ns() // 1_000_000
            for session, live in self._live.items():
                if not live.room.pending:  # else the end of the round does it
                    live.room.presence.expire(now)
                    self._tell_presence(session, live)

    def _send(self, link: int, message: wire.ToReplica) -> None:
        self._send_raw(link, wire.encode(message))

    def _send_raw(self, link: int, frame: bytes) -> None:
        stream = self._streams.get(link)
        if stream is not None:
            stream.send(frame)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        job = asyncio.ensure_future(work)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return job


def _session_of(message: wire.ToActor) -> str:
    if isinstance(message, wire.Follow | wire.Unfollow | wire.Alive):
        return message.session
    if isinstance(message, wire.ChangeFrom):
        return message.change.session
    if isinstance(message, wire.PresenceFrom):
        return message.presence.session
    if isinstance(message, wire.SyncFrom):
        return message.sync.session
    return ""
