"""One session that many read while some type, and quiet sessions beside it.

Usage: ``make bench-fanout``, or ``python -m benchmarks.fanout --help``.
"""

from __future__ import annotations

from benchmarks import running
from benchmarks.load import Crowd
from benchmarks.servers import SERVERS

QUIET = Crowd("5 quiet sessions of 2", 5, 2, 20)


def main() -> None:
    """Run the rounds."""
    parser = running.options("fanout", __doc__, seconds=6.0)
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--rates", type=int, nargs="+", default=[100])
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=SERVERS)
    chosen = parser.parse_args()
    cases = {
        str(rate): [Crowd(f"one session of {chosen.users}", 1, chosen.users, rate), QUIET]
        for rate in chosen.rates
    }
    notes = (
        (
            f"{chosen.users} users in one session, each typing in turn; {QUIET.rate:g} edits/s "
            "altogether in the quiet ones. Processor time is that of both."
        ),
    )
    running.rounds("fanout", chosen.servers, cases, chosen, notes)


if __name__ == "__main__":
    main()
