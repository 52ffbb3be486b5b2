"""Freed memory stays with the process: the next forward pass causes no page faults."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from explorer.allocator import keep_freed_pages

if sys.argv[1] == "keep":
    assert keep_freed_pages()

def a_pass():
    return [np.ones(2**20, np.uint8) for _ in range(40)]

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in range(3):
    a_pass()
before = faults()
for _ in range(5):
    a_pass()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the setting")
def test_the_pages_of_a_pass_serve_the_next_one():
    def page_faults(mode: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", FAULTS, mode], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    # 200 blocks of 1 MiB are 51 200 pages of 4 KiB, or 100 of 2 MiB.
    assert page_faults("keep") < 20 < page_faults("leave")


def test_elsewhere_nothing_is_touched(monkeypatch):
    from explorer import allocator

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: pytest.fail("asked another C library"))
    assert allocator.keep_freed_pages() is False
