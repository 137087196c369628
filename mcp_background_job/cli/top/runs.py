"""The tab of runs: which agents work, what they say, and what they ask."""

from __future__ import annotations

import asyncio

from mcp_background_job.cli.runs.transcript import answer_to, lines_of
from mcp_background_job.cli.top import keys, lists
from mcp_background_job.cli.top.columns import Facts
from mcp_background_job.cli.top.pager import Line, Pager
from mcp_background_job.cli.top.questions import Ask, Confirm
from mcp_background_job.cli.top.tab import ListedTab
from mcp_background_job.errors import BackgroundJobError

#: Seconds between two looks at the list. What an agent says comes at once.
_EVERY_S = 2.0

#: Runs that are listed.
_MAX_LISTED = 100

#: Events of the end of a transcript that are shown; ``Home`` shows all.
_TAIL = 300

#: Events that are asked for at once, and for how long news of them are waited for.
_PAGE = 100
_WAIT_MS = 20_000

#: Lines that are kept of a transcript, the last ones: nobody reads more on a screen.
_MAX_LINES = 20_000


class RunsTab(ListedTab):
    """Runs, newest first; those that ask before all others."""

    name_of_tab = keys.RUNS
    key = "run_id"
    columns = lists.RUNS

    _all_projects = False
    _read = ""

    def begin(self) -> None:
        """Watch the list, and the transcript of the run that is meant."""
        self._read = ""
        self.run_worker(self._watch_list(), group="list", exclusive=True)

    async def _watch_list(self) -> None:
        while True:
            try:
                listed = await self.desk.do("list_runs", limit=_MAX_LISTED, all_projects=self._all_projects)
            except BackgroundJobError as error:
                self.complain(str(error))
            else:
                self.listed = tuple(sorted(listed["runs"], key=lists.run_rank))
                self.title = self._title(int(listed.get("elsewhere", 0)))
                self.show_rows()
            await asyncio.sleep(_EVERY_S)

    def _title(self, elsewhere: int) -> tuple[str, ...]:
        asking = sum(row["status"] in lists.RUN_ASKS for row in self.listed)
        going = sum(row["status"] == "running" for row in self.listed)
        return (
            *([f"{asking} asking"] if asking else []),
            f"{going} running",
            f"{len(self.listed)} listed",
            *([f"{elsewhere} of other projects (p)"] if elsewhere else []),
        )

    def do_projects(self) -> None:
        """List those of all projects, or of this one."""
        self._all_projects = not self._all_projects
        self.run_worker(self._watch_list(), group="list", exclusive=True)

    def about(self, row: Facts) -> str:
        """Return what there is to say of a run."""
        return lists.run_sentence(row)

    def nothing(self) -> str:
        """Return that there is none."""
        return "no runs of agents"

    # -- what an agent says ------------------------------------------------------------------------------------------

    def meant(self, row: Facts | None) -> None:
        """Follow what is said in the run that is meant now."""
        run_id = str(row["run_id"]) if row else ""
        if run_id != self._read:
            self._read = run_id
            self.pager.follows = True
            self.pager.show([])
            self.sought = None
            self.pager.mark(None)
            if row:
                self._follow(run_id, max(0, row["last_seq"] - _TAIL))

    def on_pager_asked(self, event: Pager.Asked) -> None:
        """Go to the very beginning, for which all of it is read, or to the end."""
        self.pager.follows = not event.first
        if event.first and self._read:
            self.pager.show([])
            self._follow(self._read, 0)

    def on_pager_at_edge(self, event: Pager.AtEdge) -> None:
        """Follow again what comes, once the end is reached."""
        self.pager.follows = self.pager.follows or not event.is_top

    def _follow(self, run_id: str, after_seq: int) -> None:
        self.run_worker(self._transcript(run_id, after_seq), group="transcript", exclusive=True)

    async def _transcript(self, run_id: str, after_seq: int) -> None:
        from mcp_background_job.cli.runs.whole import whole  # noqa: PLC0415  many a session looks at no run

        try:
            runs = await self.desk.house.runs()
            lines = [Line("… (Home shows what was before)", "dim")] if after_seq else []
            while True:
                polled = await self.desk.do(
                    "poll_events", run_id=run_id, after_seq=after_seq, limit=_PAGE, wait_ms=_WAIT_MS
                )
                for event in polled["events"]:
                    lines += (Line(line.text, line.style) for line in lines_of(await whole(runs, run_id, event)))
                after_seq = polled["next_after_seq"]
                lines = lines[-_MAX_LINES:]
                self.pager.show(list(lines))
                if not polled["events"] and polled["status"] in lists.RUN_OVER:
                    return
        except BackgroundJobError as error:
            self.complain(str(error))

    # -- what is done with it ----------------------------------------------------------------------------------------

    async def do_cancel(self) -> None:
        """Stop the run, once a person has said so."""
        row = self.row
        if row and await self.ask(Confirm(f"Stop {row['run_id']} of {row['agent_name']}?", "stop it")):
            report = await self.do("cancel_run", run_id=row["run_id"])
            if report is not None:
                left = report["leftover_pids"]
                ended = "nothing of it is left" if report["stopped"] else f"these live on: {', '.join(map(str, left))}"
                self.tell(f"{row['run_id']} {report['status']}: {ended}")

    async def do_answer(self) -> None:
        """Have a person answer what the agent asks."""
        row = self.row
        known = await self.do("get_run", run_id=row["run_id"]) if row else None
        asked = (known or {}).get("pending_request")
        if not known or not asked:
            self.tell("it no longer asks anything")
            return
        about = [line.text for line in lines_of({"type": asked["type"], "data": asked["data"]})]
        said = await self.ask(Ask(f"{known['agent_name']} asks:", about, hint="a number chooses; Esc leaves it open"))
        if said and said.strip():
            message = answer_to(asked["data"], said)
            if await self.do("continue_run", run_id=known["run_id"], input_message=message) is not None:
                self.tell(f"{known['agent_name']} was told")
