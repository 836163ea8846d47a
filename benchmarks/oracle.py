"""A million random cases of text operations beside CodeMirror itself, bit for bit.

The same cases and answers as `tests/actors/ot`, whose first 20,000 every test run compares; here in
chunks through one Node process, so memory stays bounded.

Usage: ``make bench-oracle``, or ``python -m benchmarks.oracle --help``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

from benchmarks.servers import node
from tests.actors.ot.test_text import CLIENT, ORACLE, answers, case

CHUNK = 100


def main() -> None:
    """Compare; exit with 1 at the first difference."""
    parser = argparse.ArgumentParser(prog="benchmarks.oracle", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    chosen = parser.parse_args()
    began = time.monotonic()
    with subprocess.Popen(
        [node(), str(ORACLE), str(CLIENT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as oracle:
        assert oracle.stdin is not None
        assert oracle.stdout is not None
        try:
            for start in range(chosen.first, chosen.first + chosen.cases, CHUNK):
                cases = [case(start + index) for index in range(CHUNK)]
                # Few enough for both pipes to hold: neither side waits for the other to read.
                oracle.stdin.write("".join(json.dumps(each) + "\n" for each in cases))
                oracle.stdin.flush()
                for given in cases:
                    want = json.loads(oracle.stdout.readline())
                    if answers(given) != want:
                        print(f"DIFFERS: {json.dumps(given)}\nexpected {want}")
                        print(f"got      {answers(given)}")
                        raise SystemExit(1)
                if start % 50_000 < CHUNK:
                    print(f"{start - chosen.first} equal", file=sys.stderr, flush=True)
        finally:
            oracle.kill()
    print("| cases | differences | minutes |\n|---:|---:|---:|")
    print(f"| {chosen.cases} | 0 | {(time.monotonic() - began) / 60:.1f} |")


if __name__ == "__main__":
    main()
