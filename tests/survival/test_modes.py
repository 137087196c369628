"""A job that takes its own files' modes away hides nothing, and hides from nobody."""

from __future__ import annotations

import pytest

from tests.nobody import Nobody, interpreter_of_nobody, nobody

__all__ = ["interpreter_of_nobody", "nobody"]

pytestmark = pytest.mark.real_process

_CODE = """
import asyncio, os
from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.jobs.request import StartRequest
from mcp_background_job.jobs.waiting.wait import WaitRequest

FILES = ["", "runner.lock", "status.json", "spec.json", "output.log", "control.sock", "..", "../../open"]

def build_another():
    return build(load_settings())

async def looked_at(path, name):
    manager = build_another()
    job = (await manager.start(StartRequest(command="echo hello; read line; exit 3", stdin="pipe"), client="test")).job
    await manager.wait(job, WaitRequest(until=Until(Kind.OUTPUT), wait_s=50, from_start=True))
    directory = manager.places.store_of(job.job_id).state.job(job.job_id).path
    os.chmod(os.path.join(directory, name), 0)
    try:
        other = build_another() if path == "another" else manager
        found = [await other.find(job.job_id), *[each for each in await other.list() if each.job_id == job.job_id]]
        said = [each.status for each in found]
        said.append((await other.tail(found[0])).text.strip())
        return manager, other, job, directory, said
    except Exception as error:
        return manager, manager, job, directory, [repr(error)]

async def main():
    for name in FILES:
        manager, other, job, _, said = await looked_at("another", name)
        said.append((await other.kill(job.job_id, by="test", grace_s=0)).status)
        said.append((await other.find(job.job_id)).status)
        print(name or "directory", *said, flush=True)
    # Nobody looks while it is unreadable: its runner must write down the end.
    manager, _, job, directory, _ = await looked_at("the same", "output.idx")
    os.chmod(directory, 0)
    await manager.send_input(job, b"", eof=True)
    waited = await manager.wait(job, WaitRequest(until=Until(Kind.EXIT), wait_s=50))
    print("its end", waited.job.status, waited.job.exit_code, flush=True)

asyncio.run(main())
"""

_NAMES = ["directory", "runner.lock", "status.json", "spec.json", "output.log", "control.sock", "..", "../../open"]


@pytest.mark.requirement("files.modes")
def test_a_job_whose_files_nobody_may_read_is_running_and_can_be_killed(nobody: Nobody) -> None:
    told = nobody.run(_CODE).splitlines()
    assert told[:-1] == [f"{name} running running hello killed killed" for name in _NAMES]
    assert told[-1] == "its end failed 3"
