"""Token buckets."""

import time

import pytest

from core.limits import Bucket, Buckets

pytestmark = pytest.mark.once


def taken(bucket: Bucket, tries: int) -> int:
    return sum(bucket.take() for _ in range(tries))


def test_bucket_allows_a_burst_and_then_its_rate() -> None:
    bucket = Bucket(rate=50, burst=10)
    assert taken(bucket, 12) in {10, 11}  # 11: a fiftieth of a second has passed
    time.sleep(0.1)
    assert 4 <= taken(bucket, 50) <= 8


def test_bucket_never_exceeds_its_burst() -> None:
    bucket = Bucket(rate=10_000, burst=5)
    time.sleep(0.05)
    bucket.rate = 0.001
    assert taken(bucket, 100) <= 6


def test_rate_of_zero_lifts_the_limit() -> None:
    assert taken(Bucket(rate=0, burst=0), 10_000) == 10_000
    buckets = Buckets(0, 0)
    assert all(buckets.take("a") for _ in range(10_000))


def test_every_key_has_a_bucket_in_bounded_memory() -> None:
    buckets = Buckets(rate=0.001, burst=1, size=100)
    assert all(buckets.take(f"key-{number}") for number in range(1000))
    assert len(buckets._buckets) == 100
    assert not buckets.take("key-999")
    assert buckets.take("key-0"), "forgotten, the least recently used first"
