"""One-use tickets: spending one is inserting its id, which works once."""

from __future__ import annotations

import time

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from cluster.storage.database import Database
from cluster.storage.models import SpentTicket


async def spend(database: Database, ticket_id: str, expires_at: int) -> bool:
    """Use a ticket up; False where it was used before. Expired ones are forgotten meanwhile.

    Args:
        database: where spent tickets are kept.
        ticket_id: the ticket's ``jti``.
        expires_at: epoch seconds after which the ticket does not verify anyway.
    """
    try:
        async with database.session() as session:
            await session.execute(
                delete(SpentTicket).where(SpentTicket.expires_at < int(time.time()) - 60)
            )
            session.add(SpentTicket(jti=ticket_id, expires_at=expires_at))
    except IntegrityError:
        return False
    return True
