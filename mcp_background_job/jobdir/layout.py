"""The paths in a state directory. ``docs/reference/state-directory.md`` describes each file."""

from __future__ import annotations

import os
import re

#: Version of all formats in a state directory; readers accept newer ones and ignore fields that they do not know.
FORMAT = 1

#: Environment variables that every process of a job carries.
JOB_ID_VARIABLE = "MCP_BG_JOB_ID"
COOKIE_VARIABLE = "MCP_BG_COOKIE"

#: Every process of an agent run carries this too.
RUN_ID_VARIABLE = "MCP_BG_RUN_ID"

#: The event that a command at an end runs for. A job that is started within one has no such command itself.
EVENT_VARIABLE = "MCP_BG_EVENT"

_JOB_ID = re.compile(r"j[a-z0-9]{3,11}")
_RUN_ID = re.compile(r"r[a-z0-9]{3,11}")


def is_job_id(text: str) -> bool:
    """Tell whether the text has the form of a job id, and so is safe in a path."""
    return _JOB_ID.fullmatch(text) is not None


def is_run_id(text: str) -> bool:
    """Tell whether the text has the form of a run id, and so is safe in a path."""
    return _RUN_ID.fullmatch(text) is not None


class StateDir:
    """Paths in a state directory."""

    def __init__(self, path: str) -> None:
        """Names the directory; creates nothing."""
        self.path = path
        self.jobs = os.path.join(path, "jobs")
        #: One small file per unended job: to find those costs what the live jobs cost, not all that ever ran.
        self.open = os.path.join(path, "open")
        #: One empty file per job that was not started at once: a runner that ends sees from it whether one waits.
        self.queue = os.path.join(path, "queue")
        #: The same jobs, under names that give their order.
        self.order = os.path.join(path, "order")
        #: One file per job that a process is about to launch, locked by that process.
        self.claims = os.path.join(path, "claims")
        #: Runs of other agents. Each has a job of its own; these files hold the agent's events.
        self.runs = os.path.join(path, "runs")
        #: Messages to agents, by session: an agent that is resumed gets those that came before.
        self.mail = os.path.join(path, "mail")
        #: One directory per task of MCP; see ``jobdir.tasks``.
        self.tasks = os.path.join(path, "tasks")
        self.index = os.path.join(path, "jobs.sqlite3")
        #: News, readers, and how much each was shown. They cannot be derived from other files.
        self.news = os.path.join(path, "news.sqlite3")
        #: Facts about ComfyUI's process.
        self.comfyui = os.path.join(path, "comfyui")
        #: Submissions to ComfyUI. Unlike the index, it is the only copy.
        self.comfyui_journal = os.path.join(path, "comfyui.sqlite3")
        #: Held for moments during a look at the queue; and the lock that release 1.0.0 holds meanwhile.
        self.order_lock = os.path.join(path, "order.lock")
        self.queue_lock = os.path.join(path, "queue.lock")
        #: Made by a process that finds the queue locked: the holder must look again.
        self.queue_again = os.path.join(path, "queue.again")
        #: Held while a job is started under a name: of two concurrent starts, one finds the other's job.
        self.names_lock = os.path.join(path, "names.lock")
        #: Since when the clock has advanced steadily.
        self.clock = os.path.join(path, "clock.json")
        self.http_token = os.path.join(path, "http-token")

    def job(self, job_id: str) -> JobDir:
        """Return the paths of one job."""
        return JobDir(f"{self.jobs}/{job_id}")

    def run(self, run_id: str) -> RunDir:
        """Return the paths of one agent run."""
        return RunDir(os.path.join(self.runs, run_id))

    def mailbox(self, session_id: str) -> MailDir:
        """Return the paths of the messages to an agent in a session."""
        return MailDir(os.path.join(self.mail, session_id))

    def on_end_lock(self, slot: int) -> str:
        """Return the path of a lock that a command at a job's end holds while it runs."""
        return os.path.join(self.path, f"on_end.{slot}.lock")

    def open_mark(self, job_id: str) -> str:
        """Return the path of the mark of an unended job."""
        return os.path.join(self.open, job_id)

    def queue_mark(self, job_id: str) -> str:
        """Return the path of the mark of a queued job."""
        return os.path.join(self.queue, job_id)


class JobDir:
    """Paths in one job's directory."""

    def __init__(self, path: str) -> None:
        """Names the directory; creates nothing."""
        # Built without os.path.join, which takes ten times as long: one is made for every question about a job.
        self.path = path
        self.job_id = path[path.rfind("/") + 1 :]
        self.spec = f"{path}/spec.json"
        self.status = f"{path}/status.json"
        self.exit = f"{path}/exit.json"
        self.log = f"{path}/output.log"
        self.index = f"{path}/output.idx"
        self.usage = f"{path}/usage.bin"
        self.lock = f"{path}/runner.lock"
        self.control = f"{path}/control.sock"

    @property
    def claim(self) -> str:
        """The claim of the runner on a cluster's node: one process makes it, once."""
        return f"{self.path}/runner.claim"

    @property
    def address(self) -> str:
        """The address of its runner on a cluster's node."""
        return f"{self.path}/address.json"

    @property
    def on_end_log(self) -> str:
        """The output of the command at the job's end."""
        return f"{self.path}/on_end.log"

    @property
    def on_end_trouble(self) -> str:
        """Why that command failed; absent if it did not."""
        return f"{self.path}/on_end.trouble"

    @property
    def has_exit(self) -> bool:
        """Whether there is an exit record, readable or not; a directory that a job put in its place does not count."""
        return os.path.isfile(self.exit)

    def identity(self) -> str:
        """Return the identity of this directory, which no copy of it has; the cookie in ``spec.json`` begins with it.

        Raises:
            OSError: there is no such directory.
        """
        facts = os.stat(self.path)
        return f"{facts.st_dev:x}-{facts.st_ino:x}"

    def is_named_in(self, cookie: str) -> bool:
        """Tell whether a cookie was made for this directory, and not for one of which this is a copy.

        The device is not compared: its number differs between machines, and after each mount.
        """
        try:
            _, inode, _ = cookie.split("-")
            return inode == f"{os.stat(self.path).st_ino:x}"
        except (OSError, ValueError):  # the directory is gone, or this is no cookie
            return False

    @property
    def state_dir(self) -> StateDir:
        """The state directory that the job belongs to."""
        return StateDir(os.path.dirname(os.path.dirname(self.path)))


class RunDir:
    """Paths in the directory of one agent run."""

    def __init__(self, path: str) -> None:
        """Names the directory; creates nothing."""
        self.path = path
        self.run_id = os.path.basename(path)
        self.record = os.path.join(path, "run.json")
        self.events = os.path.join(path, "events.jsonl")
        self.checkpoint = os.path.join(path, "checkpoint.json")
        self.cancel = os.path.join(path, "cancel.json")
        self.lock = os.path.join(path, "run.lock")
        self.stdin = os.path.join(path, "stdin")
        self.artifacts = os.path.join(path, "artifacts")
        self.temporary = os.path.join(path, "tmp")


class MailDir:
    """Paths in the directory of the messages to one agent."""

    def __init__(self, path: str) -> None:
        """Names the directory; creates nothing."""
        self.path = path
        self.messages = os.path.join(path, "messages.jsonl")
        self.fetched = os.path.join(path, "fetched.json")
        self.lock = os.path.join(path, "mail.lock")
