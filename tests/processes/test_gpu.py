"""GPUs, by a fake of the library that tells of them: there is none on the machines that test this."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from mcp_background_job.jobdir.layout import JOB_ID_VARIABLE
from mcp_background_job.processes import gpu
from mcp_background_job.processes.gpu import Gpu, GpuLook, JobOnGpu

GB = 10**9
JOB = "jabcde"


class NVMLError(Exception):
    """What the library raises, whatever is wrong."""


def no(*_: object) -> Any:
    raise NVMLError("not supported")


@dataclass
class Card:
    """A GPU as a test wants it: what it does not tell raises."""

    name: Any = "Card"
    load: int | None = 0
    used: int = 0
    computing: list[tuple[int, int | None]] = field(default_factory=list[tuple[int, "int | None"]])
    drawing: list[tuple[int, int | None]] = field(default_factory=list[tuple[int, "int | None"]])
    samples: list[tuple[int, int, int]] | None = None


class Nvml(ModuleType):
    """The functions of ``nvidia-ml-py`` that are used."""

    NVMLError = NVMLError

    def __init__(self, *cards: Card) -> None:
        super().__init__("pynvml")
        self.cards = cards
        self.since: list[int] = []

    def nvmlInit(self) -> None:  # noqa: N802  its own names
        if not self.cards:
            raise NVMLError("driver not loaded")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802  its own names
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, number: int) -> Card:  # noqa: N802  its own names
        return self.cards[number]

    def nvmlDeviceGetName(self, card: Card) -> Any:  # noqa: N802  its own names
        return card.name

    def nvmlDeviceGetMemoryInfo(self, card: Card) -> Any:  # noqa: N802  its own names
        return SimpleNamespace(used=card.used, total=8 * GB)

    def nvmlDeviceGetUtilizationRates(self, card: Card) -> Any:  # noqa: N802  its own names
        return no() if card.load is None else SimpleNamespace(gpu=card.load)

    def nvmlDeviceGetComputeRunningProcesses(self, card: Card) -> Any:  # noqa: N802  its own names
        return [SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in card.computing]

    def nvmlDeviceGetGraphicsRunningProcesses(self, card: Card) -> Any:  # noqa: N802  its own names
        return [SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in card.drawing]

    def nvmlDeviceGetProcessUtilization(self, card: Card, since: int) -> Any:  # noqa: N802  its own names
        self.since.append(since)
        if card.samples is None:
            return no()
        return [SimpleNamespace(pid=pid, timeStamp=at, smUtil=load) for pid, at, load in card.samples if at > since]


Looking = Callable[..., GpuLook]


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> Looking:
    """Return what looks at these cards; processes belong to jobs by ``jobs_of``."""

    def look(*cards: Card, jobs: dict[int, str] | None = None) -> GpuLook:
        monkeypatch.setitem(sys.modules, "pynvml", Nvml(*cards))
        environments = jobs or {}

        class Process:
            def __init__(self, pid: int) -> None:
                if pid not in environments:
                    raise gpu.psutil.NoSuchProcess(pid)
                self.pid = pid

            def create_time(self) -> float:
                return 1.0

            def environ(self) -> dict[str, str]:
                return {JOB_ID_VARIABLE: environments[self.pid]}

        monkeypatch.setattr(gpu.psutil, "Process", Process)
        return GpuLook()

    return look


def test_memory_and_load_are_told_of_each_card_and_summed_for_each_job(looking: Looking) -> None:
    future = 2**52
    look = looking(
        Card("Big", 80, 5 * GB, [(1, 2 * GB), (2, GB), (9, GB)], [(1, 2 * GB)], [(1, future, 40), (1, future + 1, 60)]),
        Card(b"Small", 10, GB, [(1, GB)], [], [(1, future, 30), (2, future, 5)]),
        jobs={1: JOB, 2: "jother"},
    )

    found = look.look()

    assert found.devices == [
        Gpu(name="Big", load=0.8, memory_used=5 * GB, memory=8 * GB),
        Gpu(name="Small", load=0.1, memory_used=GB, memory=8 * GB),
    ]
    assert (found.jobs[JOB].memory, found.jobs[JOB].load) == (3 * GB, pytest.approx(0.8))
    assert (found.jobs["jother"].memory, found.jobs["jother"].load) == (GB, pytest.approx(0.05))
    assert set(found.jobs) == {JOB, "jother"}


def test_the_next_look_asks_only_for_what_came_since(looking: Looking) -> None:
    future = 2**52
    look = looking(Card(samples=[(1, future, 40)]), jobs={1: JOB})

    look.look()
    again = look.look()

    assert sys.modules["pynvml"].since[1:] == [future]
    assert again.jobs == {}


@pytest.mark.parametrize(
    ("card", "told"),
    [
        (Card(load=None, computing=[(1, GB)]), JobOnGpu(memory=GB)),
        (Card(computing=[(1, None)]), JobOnGpu(memory=0)),
        (Card(drawing=[(1, GB)]), JobOnGpu(memory=GB)),
    ],
)
def test_what_a_card_does_not_tell_is_left_out_and_the_rest_is_told(
    looking: Looking, card: Card, told: JobOnGpu
) -> None:
    assert looking(card, jobs={1: JOB}).look().jobs == {JOB: told}


def test_without_a_driver_and_without_the_extra_there_are_none(
    looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert looking().look().devices == []
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert GpuLook().look().devices == []


@pytest.mark.parametrize("claim", ["", "../../etc", "x" * 500])
def test_a_process_that_claims_no_job_is_of_none(looking: Looking, claim: str) -> None:
    assert looking(Card(computing=[(1, GB)]), jobs={1: claim}).look().jobs == {}


def test_a_process_is_known_by_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of this process as it began: a job's, if it runs in one."""
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(Card(computing=[(os.getpid(), GB)])))

    found = GpuLook().look()

    assert set(found.jobs) <= {os.environ.get(JOB_ID_VARIABLE, "")}
