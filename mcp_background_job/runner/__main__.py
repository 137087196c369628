"""``python -I -S …/runner/__main__.py JOB_DIRECTORY [REPLY_FD [KILLED_BY]]``: one runner, started by exec.

Or ``… --spawner FD``: the process that forks runners; or ``… --on-end JOB_DIRECTORY``: the process that runs a command
at a job's end. It is run by path, without site-packages: it imports only this package and the standard library.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.runner import signals
from mcp_background_job.runner.detach import detach
from mcp_background_job.runner.main import Reply, be_runner, take_name
from mcp_background_job.runner.spawner import serve


def main(arguments: list[str]) -> None:
    """Detach from the starting process, and be a runner, the spawner, or the process of a command at an end."""
    signals.settle()
    if arguments[0] == "--spawner":
        socket_descriptor = int(arguments[1])
        detach(keep=[socket_descriptor])
        serve(socket_descriptor)
        return
    if arguments[0] == "--on-end":
        from mcp_background_job.runner.on_end import run  # noqa: PLC0415  another process than a runner

        run(JobDir(arguments[1]))
        return
    directory, reply, killed_by = (*arguments, None, None)[:3]
    # It takes its name first: if the job that launched it is being stopped, that job then sees what this may become.
    take_name(os.path.basename(str(directory)))
    reply_descriptor = None if reply is None else int(reply)
    detach(keep=[] if reply_descriptor is None else [reply_descriptor])
    be_runner(str(directory), Reply(reply_descriptor), killed_by)


if __name__ == "__main__":
    main(sys.argv[1:])
