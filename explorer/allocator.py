"""How the process gets its memory from the system."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_BLOCK_BYTES, _KEPT_BYTES = 32 * 2**20, 128 * 2**20


def keep_freed_pages() -> bool:
    """Let the C library keep up to 128 MiB of freed memory for the next forward pass; True if it can.

    Every pass asks for tens of megabytes. By default glibc gives them back to the system as soon as they are
    free and asks for them anew, and the page faults of that may take as long as the pass. For programs that
    own their process; a library has no business with this. Only glibc knows the setting.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    return bool(
        library.mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK_BYTES)
        and library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
    )
