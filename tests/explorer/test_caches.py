"""A cache that keeps to its budget of bytes, makes each value once, and remembers no error."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.caches import ByteBudgetCache


def cache(budget: int) -> ByteBudgetCache[str, bytes]:
    return ByteBudgetCache(budget, len)


@given(
    budget=st.integers(0, 40),
    steps=st.lists(
        st.tuples(st.sampled_from(["get", "make", "put"]), st.sampled_from("abcde"), st.integers(0, 50))
    ),
)
def test_the_budget_is_never_exceeded_and_values_are_true(
    budget: int, steps: list[tuple[str, str, int]]
) -> None:
    kept = cache(budget)
    newest: dict[str, bytes] = {}
    for what, key, size in steps:
        value = key.encode() * size
        if what == "put":
            kept.put(key, value)
            newest[key] = value
        elif what == "make":
            known = kept.get(key)
            got = kept.get_or_make(key, lambda value=value: value)
            assert got == (value if known is None else known)
            newest[key] = got
        else:
            got = kept.get(key)
            assert got is None or got == newest[key]
        assert 0 <= kept.used_bytes <= budget
        assert kept.used_bytes == sum(len(kept.get(k) or b"") for k in "abcde")


def test_the_least_used_goes_first() -> None:
    kept = cache(30)
    for key in "abc":
        kept.put(key, bytes(10))
    kept.get("a")
    kept.put("d", bytes(10))
    assert [k for k in "abcd" if kept.get(k) is not None] == ["a", "c", "d"]


def test_a_value_larger_than_the_budget_is_given_and_not_kept() -> None:
    kept = cache(10)
    kept.put("small", bytes(5))
    assert kept.get_or_make("large", lambda: bytes(11)) == bytes(11)
    assert kept.get("large") is None
    assert kept.get("small") is not None


def test_a_value_that_replaces_another_does_not_count_twice() -> None:
    kept = cache(10)
    kept.put("a", bytes(6))
    kept.put("a", bytes(8))
    assert kept.used_bytes == 8
    kept.put("a", bytes(99))  # too large: the old value is gone, too, for it isn't true any more
    assert kept.get("a") is None
    assert kept.used_bytes == 0


def test_made_once_though_many_ask() -> None:
    kept = cache(1000)
    start = threading.Barrier(32, timeout=30)
    made = []

    def make() -> bytes:
        made.append(threading.get_ident())
        threading.Event().wait(0.02)
        return b"value"

    def ask() -> bytes:
        start.wait()
        return kept.get_or_make("key", make)

    with ThreadPoolExecutor(32) as pool:
        answers = [pool.submit(ask) for _ in range(32)]
        values = [a.result(30) for a in answers]
    assert len(made) == 1
    assert all(v is values[0] for v in values)


def test_makers_of_different_values_do_not_wait_for_each_other() -> None:
    kept = cache(1000)
    both = threading.Barrier(2, timeout=20)

    def make() -> bytes:
        both.wait()  # breaks unless the other one is being made, too
        return b"x"

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(kept.get_or_make, key, make) for key in "ab"]
        assert [a.result(30) for a in answers] == [b"x", b"x"]


def test_an_error_is_passed_on_and_not_kept() -> None:
    kept = cache(1000)

    def fail() -> bytes:
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            kept.get_or_make("key", fail)
    assert kept.get_or_make("key", lambda: b"yes") == b"yes"


def test_after_an_error_a_waiting_one_makes_it() -> None:
    kept = cache(1000)
    making, fail_now = threading.Event(), threading.Event()

    def fail() -> bytes:
        making.set()
        fail_now.wait(20)
        raise ValueError("no")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(kept.get_or_make, "key", fail)
        assert making.wait(20)
        second = pool.submit(kept.get_or_make, "key", lambda: b"yes")
        fail_now.set()
        with pytest.raises(ValueError, match="no"):
            first.result(20)
        assert second.result(20) == b"yes"
