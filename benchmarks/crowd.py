"""Ten thousand sockets open at once, five to a session, while all of them type.

SynQ with two ingress replicas reached on their own ports, as a load balancer would reach them:
HAProxy needs 2.5 descriptors a socket, which is more than one process is allowed on many machines.

Usage: ``make bench-crowd``, or ``python -m benchmarks.crowd --help``.
"""

from __future__ import annotations

from benchmarks import running
from benchmarks.load import Crowd

USERS = 5


def main() -> None:
    """Run the rounds."""
    parser = running.options("crowd", __doc__, rounds=1)
    parser.add_argument("--sockets", type=int, default=10_000)
    parser.add_argument("--rates", type=int, nargs="+", default=[500, 1_000, 2_000])
    parser.add_argument("--replicas", type=int, default=2)
    chosen = parser.parse_args()
    rooms = chosen.sockets // USERS
    cases = {str(rate): [Crowd("crowd", rooms, USERS, rate)] for rate in chosen.rates}
    notes = (
        (
            f"{rooms * USERS:,} sockets in {rooms:,} sessions over {chosen.replicas} ingress "
            "replicas; SQLite, each edit durable before anyone sees it."
        ),
    )
    environment = {
        "SYNQ_EDGE": "direct",
        "SYNQ_INGRESS_REPLICAS": str(chosen.replicas),
        "WEBSOCKET_MAX_CONNECTIONS": str(chosen.sockets * 2),
        # The generator sends no heartbeats, and who comes first waits for all others.
        "WEBSOCKET_HEARTBEAT_INTERVAL": "600000",
    }
    running.rounds("crowd", ["synq"], cases, chosen, notes, **environment)


if __name__ == "__main__":
    main()
