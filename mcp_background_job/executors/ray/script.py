"""The job of Ray's own that kills a waiting job; it runs on the head, with Ray's own Python."""

from __future__ import annotations

import shlex

#: A job that has begun is left alone.
_KILL_WHAT_WAITS = """\
import sys
import ray
from ray.util.state import list_actors
ray.init(address="auto", namespace="SUPERVISOR_ACTOR_RAY_NAMESPACE", log_to_driver=False)
name = "_ray_internal_job_actor_" + sys.argv[1]
found = list_actors(address=None, filters=[("name", "=", name)])
if all(actor.state in ("DEPENDENCIES_UNREADY", "PENDING_CREATION") for actor in found):
    ray.kill(ray.get_actor(name, namespace="SUPERVISOR_ACTOR_RAY_NAMESPACE"), no_restart=True)
"""


def entrypoint(submission_id: str) -> str:
    """Return the command line that kills the actor of a waiting job."""
    return f'exec "$(command -v python3 || command -v python)" -c {shlex.quote(_KILL_WHAT_WAITS)} {submission_id}'
