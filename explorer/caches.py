"""Results that were costly to make, kept until a number of bytes is reached; the least used go first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ByteBudgetCache(Generic[K, V]):
    """Make each value once, even if many threads ask at the same time; keep at most ``budget_bytes``.

    A value larger than the whole budget is returned and not kept.
    """

    def __init__(self, budget_bytes: int, size_of: Callable[[V], int]) -> None:
        self.budget_bytes = budget_bytes
        self._size_of = size_of
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._used = 0
        self._lock = threading.Lock()
        self._making: dict[K, threading.Lock] = {}

    @property
    def used_bytes(self) -> int:
        """The bytes kept now: never more than ``budget_bytes``."""
        return self._used

    def get(self, key: K) -> V | None:
        """The value if it is kept, else ``None``."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def get_or_make(self, key: K, make: Callable[[], V]) -> V:
        """The value for ``key``; if it isn't kept, ``make`` it. Whatever ``make`` raises is passed on."""
        if (value := self.get(key)) is not None:
            return value
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            if (value := self.get(key)) is None:
                try:
                    value = make()
                    self._keep(key, value)
                finally:
                    with self._lock:
                        self._making.pop(key, None)
            return value

    def put(self, key: K, value: V) -> None:
        """Keep a value that was made elsewhere, in place of any that this key has."""
        self._keep(key, value)

    def _keep(self, key: K, value: V) -> None:
        size = self._size_of(value)
        with self._lock:
            if key in self._values:
                self._used -= self._values.pop(key)[1]
            if size > self.budget_bytes:
                return
            while self._used + size > self.budget_bytes:
                self._used -= self._values.popitem(last=False)[1][1]
            self._values[key] = (value, size)
            self._used += size
