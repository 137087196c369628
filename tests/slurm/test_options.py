"""What may be asked of Slurm, and how sbatch is told."""

from __future__ import annotations

import pytest

from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors.slurm.options import KEYS, Options, read


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", []),
        ("gpus=2", ["--gres=gpu:2"]),
        ("gpus=a100:2", ["--gres=gpu:a100:2"]),
        ("gpus=1 gres=shard:3", ["--gres=gpu:1,shard:3"]),
        ("cpus=8  mem=64G", ["--cpus-per-task=8", "--mem=64G"]),
        ("mem=800mb", ["--mem=800M"]),
        ("mem=4096", ["--mem=4096"]),
        ("time=90s", ["--time=0-00:02:00"]),
        ("time=4h", ["--time=0-04:00:00"]),
        ("time=1d12h", ["--time=1-12:00:00"]),
        ("time=30:00", ["--time=0-00:30:00"]),
        ("time=120:00", ["--time=0-02:00:00"]),
        ("time=4:00:00", ["--time=0-04:00:00"]),
        ("time=2-01:30:00", ["--time=2-01:30:00"]),
        ("time=1-12:30", ["--time=1-12:30:00"]),
        ("time=1-12", ["--time=1-12:00:00"]),
        ("partition=gpu,long", ["--partition=gpu,long"]),
        ("constraint=a100|h100 qos=high", ["--constraint=a100|h100", "--qos=high"]),
        ("account=lab_7 reservation=course", ["--account=lab_7", "--reservation=course"]),
    ],
)
def test_what_is_asked_for_is_told_to_sbatch(words: str, told: list[str]) -> None:
    assert read(words).arguments(None) == told


@pytest.mark.parametrize(
    "words",
    [
        "nodes=2",
        "gpus",
        "gpus=",
        "gpus=0",
        "gpus=-1",
        "gpus=some",
        "cpus=1.5",
        "cpus=٣",
        "mem=lots",
        "mem=1B",
        "mem=1Q",
        "time=5",
        "time=soon",
        "time=0h",
        "time=0:00",
        "time=-5m",
        "time=forever",
        "partition=--wrap",
        "account=-x",
        "array=1-10",
        "gpus=1 gpus=2",
        "GPUS=1",
        "--export=NONE",
        "=1",
        "constraint=" + "x" * 300,
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_what_can(words: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^on: "):
        read(words)


def test_every_key_is_named_to_who_asks_for_another() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        read("memory=64G")
    assert all(f"{key}=" in str(refused.value) for key in KEYS)


def test_a_job_asks_for_more_than_its_own_time_limit_unless_it_says_for_how_much() -> None:
    assert Options().arguments(61.0) == ["--time=0-00:04:00"]
    assert Options().arguments(0.5) == ["--time=0-00:03:00"]
    assert read("time=1h").arguments(60.0) == ["--time=0-01:00:00"]
    assert Options().arguments(1e12) == []


def test_a_job_asks_for_what_its_site_wants_unless_it_asks_for_something_else() -> None:
    asked = read("gpus=2").over(read("partition=gpu gpus=1"))
    assert asked.arguments(None) == ["--gres=gpu:2", "--partition=gpu"]
    assert (asked.gpus, read("gpus=a100:4").gpus, read("cpus=2").gpus) == (2, 4, 0)
