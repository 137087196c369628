"""What there is on a cluster, as sinfo says."""

from __future__ import annotations

from mcp_background_job.executors.overview import Part
from mcp_background_job.executors.slurm.overview import overview, parts_of
from tests.slurm.fake import FakeSlurm


def test_partitions_are_summed_over_the_nodes_that_take_jobs() -> None:
    rows = [
        ["n1", "main*", "mixed", "3/5/0/8", "gpu:a100:4(S:0-1)", "gpu:a100:1(IDX:0)"],
        ["n2", "main*", "idle", "0/8/0/8", "gpu:2,shard:gpu:8", "gpu:0,shard:gpu:0"],
        ["n3", "main*", "down*", "0/0/8/8", "gpu:4", "gpu:0"],
        ["n4", "small", "idle~", "0/2/0/2", "(null)", "gpu:0"],
        ["n5", "small", "drained", "nonsense", "(null)", ""],
    ]
    main, small = parts_of(rows)
    assert main == Part(name="main", nodes=3, nodes_up=2, cpus=16, cpus_free=13, gpus=6, gpus_free=5)
    assert small == Part(name="small", nodes=2, nodes_up=1, cpus=2, cpus_free=2, gpus=0, gpus_free=0)


def test_a_silent_slurm_is_said_to_be_silent(slurm: FakeSlurm) -> None:
    slurm.is_silent = True
    found = overview(slurm, "slurm")
    assert (found.parts, found.trouble) == ([], "Slurm does not answer: it is silent")
