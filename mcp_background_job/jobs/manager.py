"""``JobManager``: one method per thing that can be done with a job.

A command does one thing and a server everything, so a part is loaded when it is first used.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from mcp_background_job.core.job import ANY, Job, JobChoice
from mcp_background_job.core.naming import Asker
from mcp_background_job.core.states import State
from mcp_background_job.executors import lanes
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobs.indexing.index import Index
from mcp_background_job.jobs.indexing.tidying import Tidier
from mcp_background_job.jobs.inherited.inheritance import Inheritance
from mcp_background_job.jobs.lineage import runs_among
from mcp_background_job.jobs.looking import Looker
from mcp_background_job.jobs.news import JobNews
from mcp_background_job.jobs.policy import GRACE_S, Policy

if TYPE_CHECKING:
    from mcp_background_job.jobdir.observe import Observation
    from mcp_background_job.jobs.answering import Answerer, Before, End
    from mcp_background_job.jobs.details import Details
    from mcp_background_job.jobs.output import Excerpt, PageOfLog, Picture
    from mcp_background_job.jobs.request import Changes, StartRequest
    from mcp_background_job.jobs.standing import Remarks
    from mcp_background_job.jobs.starting import Started, Starter
    from mcp_background_job.jobs.stopping import Killed, Stopper
    from mcp_background_job.jobs.talking import Talker
    from mcp_background_job.jobs.waiting.hub import Hub
    from mcp_background_job.jobs.waiting.wait import Waited, Waiter, WaitRequest
    from mcp_background_job.registry.base import Counts


class JobManager:
    """Starts, watches, waits for, interacts with, stops, restarts, lists and prunes jobs."""

    def __init__(
        self,
        places: Places,
        index: Index,
        policy: Policy,
        *,
        news: JobNews,
        state: StateDir,
        inheritance: Inheritance,
        keep_s: float,
    ) -> None:
        """Takes its parts; see ``app.build``.

        Args:
            places: where jobs run.
            index: which jobs there are.
            policy: what the settings say about starting jobs.
            news: what is new of jobs for whom.
            state: where those who use jobs, as ComfyUI and runs do, keep what they know; not read here.
            inheritance: what jobs inherit.
            keep_s: seconds for which ended jobs are kept.
        """
        self.places = places
        self.index = index
        self.news = news
        self.state = state
        #: That jobs belong to which are started here without one, empty for none.
        self.project = policy.project
        #: The job that this process runs in, if it does.
        self.own_job = policy.parent
        #: Directory of jobs that are started without one.
        self.working_dir = policy.working_dir
        #: What is run at the end of what is asked for from here, empty for nothing.
        self.on_end = policy.on_end
        #: What commands are given to, as it would be typed.
        self.shell = shlex.join(policy.shell)
        self._policy = policy
        self.inheritance = inheritance
        self._looker = Looker(places, index, glance=news.glance)
        self._tidier = Tidier(places, index, news, keep_s=keep_s)

    @cached_property
    def _starter(self) -> Starter:
        from mcp_background_job.jobs.starting import Starter  # noqa: PLC0415  see the top

        return Starter(
            self.places,
            self.index,
            self._policy,
            inheritance=self.inheritance,
            looker=self._looker,
            stopper=self._stopper,
        )

    @cached_property
    def _stopper(self) -> Stopper:
        from mcp_background_job.jobs.stopping import Stopper  # noqa: PLC0415  see the top

        return Stopper(self.places, self._looker)

    @cached_property
    def _talker(self) -> Talker:
        from mcp_background_job.jobs.talking import Talker  # noqa: PLC0415  see the top

        return Talker(self.places, self._looker)

    @cached_property
    def _answerer(self) -> Answerer:
        from mcp_background_job.jobs.answering import Answerer  # noqa: PLC0415  see the top

        return Answerer(self.places, self._looker)

    @cached_property
    def hub(self) -> Hub:
        """Watches jobs for everybody who waits for them."""
        from mcp_background_job.jobs.waiting.hub import Hub  # noqa: PLC0415  see the top

        return Hub(self.places)

    @cached_property
    def _waiter(self) -> Waiter:
        from mcp_background_job.jobs.waiting.wait import Waiter  # noqa: PLC0415  see the top

        return Waiter(self.places, self._looker, self.hub)

    def close(self) -> None:
        """Let go of index, news and places; jobs run on."""
        self.news.close()
        self.index.close()
        self.places.close()

    # -- start -----------------------------------------------------------------------------------------------------

    async def start(self, request: StartRequest, *, client: str = "", wait_for_report: bool = True) -> Started:
        """Start a job, or return the live one of the same name if that is asked for.

        Without ``wait_for_report`` it returns as soon as the job is recorded: its pid is not known yet, and that it
        could not be started, if so, is found in its record.

        Raises:
            InvalidRequestError: something in the request cannot be used; nothing was started or written.
            NameTakenError: a job of this name runs in the project, with another command or in another directory.
            LaunchError: it was recorded and could not be started.
        """
        return await self._starter.start(request, client=client, wait_for_report=wait_for_report)

    async def restart(
        self, job_id: str, changes: Changes | None = None, *, client: str = "", reader: str = ""
    ) -> Started:
        """Start the same command again, under the same name and in the same project; a live job is stopped first.

        Raises:
            InvalidRequestError: it is the run of an agent, or a change cannot be used; then nothing was stopped.
        """
        return await self._starter.restart(job_id, changes, client=client, reader=reader)

    async def claim_id(self) -> str:
        """Take a free id, for a caller that records it before the job is started; see ``StartRequest.job_id``.

        Raises:
            StateDirError: there is no room for it.
        """
        return await self._starter.claim_id()

    # -- look ------------------------------------------------------------------------------------------------------

    async def find(self, reference: str, asker: Asker | None = None) -> Job:
        """Return a job as it is now: by its id, or by the name that it has for the asker; without one by id only.

        Raises:
            UnknownJobError: there is none; the message names the nearest.
            AmbiguousNameError: the name is one of several projects, and none of them is the asker's.
            ForeignNameError: it is one of another project, and the asker wants to change the job.
        """
        return await self._looker.find(reference, asker)

    async def details(self, reference: str, asker: Asker | None = None) -> Details:
        """Return all that is known of a job; see ``find``."""
        return await self._looker.details(reference, asker)

    async def note(self, job: Job, seen: Observation) -> str | None:
        """Return a sentence on a job that was just seen, beside its status: for example what it waits for."""
        if job.state is State.EXITED:
            return await self._looker.note_of_end(job)
        return await self._looker.note(job, seen)

    async def question(self, job: Job, seen: Observation) -> str | None:
        """Return the line in which a job that was just seen live asks for input, empty if it asks without words.

        ``None`` if it does not ask.
        """
        return await self._looker.question(job, seen)

    async def notes(self, jobs: Sequence[Job]) -> dict[str, str]:
        """Return the same of several jobs, by id, as far as there is anything to say."""
        return await self._looker.notes_on(jobs)

    async def remarks(self, jobs: Sequence[Job]) -> Remarks:
        """Return the same, and of those on clusters where they are, all of one look."""
        return await self._looker.remarks(jobs)

    async def notes_on_ids(self, job_ids: Sequence[str]) -> dict[str, str]:
        """Return the same of jobs that are known by id only; those that are gone are left out."""
        found = [await self.index.find(job_id) for job_id in job_ids]
        return await self.notes([job for job in found if job])

    async def list(self, choice: JobChoice = ANY, *, limit: int = 20, offset: int = 0) -> list[Job]:
        """Return jobs, those that have not ended first, and then newest first."""
        return (await self.listed(choice, limit=limit, offset=offset))[0]

    async def listed(self, choice: JobChoice, *, limit: int, offset: int) -> tuple[list[Job], Counts]:
        """Return the same, and how many jobs are meant."""
        return await self._looker.listed(choice, limit=limit, offset=offset)

    async def runs_among(self, jobs: Sequence[Job]) -> dict[str, str]:
        """Return, by job id, which runs of agents these jobs are."""
        return await lanes.look(runs_among, self.places, jobs)

    async def excerpt(self, job: Job, *, since: int = 0, budget: int | None = None) -> Excerpt:
        """Return what matters of a job's output, within a budget of characters; without one, within the usual."""
        return await self._looker.excerpt(job, since=since, budget=budget)

    async def excerpt_of_end(
        self, job: Job, *, since: int = 0, budget: int | None = None
    ) -> tuple[Excerpt, str | None]:
        """Return the same of a job that has ended, with the note on its end."""
        return await self._looker.excerpt_of_end(job, since=since, budget=budget)

    async def newest(self, job: Job, *, since: int, budget: int | None = None) -> Excerpt:
        """Return the end of what a live job has written from an offset on, in few characters."""
        return await self._looker.newest(job, since=since, budget=budget)

    async def tail(
        self, job: Job, *, lines: int = 50, stream: str = "both", grep: str | None = None, raw: bool = False
    ) -> Excerpt:
        """Return the last lines of a job's output."""
        return await self._looker.tail(job, lines=lines, stream=stream, grep=grep, raw=raw)

    async def screen(self, job: Job) -> Picture:
        """Return what a job's terminal shows.

        Raises:
            InvalidRequestError: it has none.
        """
        return await self._looker.screen(job)

    async def page(
        self, job: Job, *, cursor: int = 0, max_bytes: int, stream: str = "both", raw: bool = False
    ) -> PageOfLog:
        """Return a page of a job's output."""
        return await self._looker.page(job, cursor=cursor, max_bytes=max_bytes, stream=stream, raw=raw)

    # -- wait ------------------------------------------------------------------------------------------------------

    async def wait(self, job: Job, request: WaitRequest) -> Waited:
        """Wait for what is asked for, or for the end of the job."""
        return await self._waiter.wait(job, request)

    async def wait_for_several(self, waits: list[tuple[Job, WaitRequest]], *, for_all: bool) -> list[Waited]:
        """Wait for all jobs or for any; returns what is true of each in the end."""
        return await self._waiter.wait_for_several(waits, for_all=for_all)

    # -- interact --------------------------------------------------------------------------------------------------

    async def send_input(self, job: Job, data: bytes, *, eof: bool = False) -> None:
        """Write to a job's stdin.

        Raises:
            StdinClosedError: it was started without one, or has had its end of input.
            JobEndedError: it is over, or waits in the queue.
        """
        await self._talker.send_input(job, data, eof=eof)

    async def signal(self, job: Job, number: int) -> None:
        """Signal a job's foreground processes, as a terminal's keys do.

        Raises:
            JobEndedError: it is over.
        """
        await self._talker.signal(job, number)

    async def signal_handlers(self, job: Job, number: int) -> list[int]:
        """Signal the processes of a job that handle a signal, and stop nothing; returns their pids.

        Raises:
            InvalidRequestError: none does, and the signal would only end what it reaches.
            JobEndedError: it is over.
        """
        return await self._talker.signal_handlers(job, number)

    async def ready_for_input(self, job: Job, patience_s: float) -> None:
        """Wait, if a job with a terminal was just started, until it asks, or for the time given."""
        await self._answerer.ready(job, patience_s)

    async def before_input(self, job: Job) -> Before:
        """Return what has to be known of a job before it is sent input whose answer is waited for."""
        return await self._answerer.before(job)

    async def answer(self, job: Job, sent: str, before: Before, wait_s: float) -> End:
        """Wait until a job has answered the input that it was sent, or has ended; returns which, or that it has not."""
        return await self._answerer.answer(job, sent, before, wait_s)

    # -- stop ------------------------------------------------------------------------------------------------------

    async def kill(
        self, job_id: str, *, by: str, why: str = "kill requested", signal: str = "TERM", grace_s: float = GRACE_S
    ) -> Killed:
        """Stop a job and everything that it started; returns when nothing of it is left.

        Raises:
            SurvivorsError: SIGKILL did not end all of it; they are named.
            RunnerSilentError: it cannot be stopped from here.
        """
        return await self._stopper.kill(job_id, by=by, why=why, signal=signal, grace_s=grace_s)

    # -- tidy up ---------------------------------------------------------------------------------------------------

    async def recover(self) -> None:
        """Bring the index up to date, sweep up after dead runners, and serve a queue that nobody else serves."""
        await self._tidier.recover()

    async def forget_tasks(self, *, older_than_s: float | None = None) -> None:
        """Remove the notes of tasks of MCP for which nobody has asked for so long; of the work they say nothing."""
        await self._tidier.forget_tasks(self.state.tasks, older_than_s=older_than_s)

    async def prune(self, *, older_than_s: float | None = None) -> list[str]:
        """Remove ended jobs, their output with them, that ended long enough ago; returns their ids."""
        return await self._tidier.prune(older_than_s=older_than_s)
