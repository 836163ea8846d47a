"""Live editing: SynQ, durable, beside ShareDB and Hocuspocus in memory, under the same load.

Usage: ``make bench-collab``, or ``python -m benchmarks.collab --help``.
"""

from __future__ import annotations

from benchmarks import running
from benchmarks.load import Crowd
from benchmarks.servers import SERVERS

ROOMS, USERS = 10, 5
NOTES = (
    f"{ROOMS} sessions of {USERS} users.",
    (
        "SynQ as it starts by default: HAProxy in front, SQLite, each edit durable before anyone "
        "sees it; ShareDB and Hocuspocus in memory."
    ),
)


def main() -> None:
    """Run the rounds."""
    parser = running.options("collab", __doc__, seconds=6.0)
    parser.add_argument("--rates", type=int, nargs="+", default=[500, 2_000, 4_000])
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=SERVERS)
    chosen = parser.parse_args()
    cases = {str(rate): [Crowd("users", ROOMS, USERS, rate)] for rate in chosen.rates}
    running.rounds("collab", chosen.servers, cases, chosen, NOTES)


if __name__ == "__main__":
    main()
