"""A small file system of a test's own, to be filled."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


def mountable() -> bool:
    """Say whether one can be made here."""
    return sys.platform == "linux" and os.geteuid() == 0 and shutil.which("mount") is not None


@contextlib.contextmanager
def small_disk(path: Path, mebibytes: int = 64) -> Iterator[Path]:
    """Mount an empty file system of so many MiB at ``path``."""
    path.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(path)]
    subprocess.run(mount, check=True, capture_output=True, timeout=10)
    try:
        yield path
    finally:
        # Lazily: what still has a file open there is about to be ended.
        subprocess.run(["umount", "--lazy", str(path)], capture_output=True, timeout=10)
