"""The tab of jobs: a live list, and the log and the curves of the one that is meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.widget import Widget
from textual.widgets import Static

from mcp_background_job.cli.top import curves, keys, lists
from mcp_background_job.cli.top.columns import Facts
from mcp_background_job.cli.top.desk import Desk
from mcp_background_job.cli.top.filtering import meant_by
from mcp_background_job.cli.top.log import Log
from mcp_background_job.cli.top.pager import Line, Pager
from mcp_background_job.cli.top.questions import Ask, Choose, Confirm
from mcp_background_job.cli.top.tab import Tab
from mcp_background_job.core.states import NOT_OVER
from mcp_background_job.core.text import counted, size
from mcp_background_job.errors import BackgroundJobError

if TYPE_CHECKING:
    import regex

#: Output is shown as soon as it was written, and then no more often: over a slow line each window full counts.
_PACE_S = 0.3

#: Rows that are asked for at most.
_MOST_ROWS = 200

#: Windows narrower than this have the curves on two lines.
_WIDE = 100

#: What a curve is of at least: one processor; a megabyte.
_CPU_TOP = 1.0
_MEMORY_TOP = 1e6

_SIGNALS = (
    ("HUP", "reload"),
    ("INT", "what Ctrl-C sends"),
    ("USR1", "as the program has it"),
    ("USR2", "as the program has it"),
    ("STOP", "hold it"),
    ("CONT", "let it go on"),
    ("TERM", "ask it to end"),
)


class JobsTab(Tab):
    """Jobs, those that run first."""

    name_of_tab = keys.JOBS
    key = "job_id"
    columns = lists.JOBS
    wraps = False

    def __init__(self, desk: Desk) -> None:
        """Takes what it asks."""
        super().__init__(desk)
        self._words = ""
        self._all_projects = not desk.caller.project
        self._log: Log | None = None
        self._points: list[list[Any]] = []
        self._on_screen = False
        self._list: Facts = {}
        self._machine: Facts = {}
        self._curves = Static(classes="curves")

    def between(self) -> Iterator[Widget]:
        """The curves of the job that is meant."""
        yield self._curves

    # -- the list ----------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Watch list, machine and the log of the job that is meant."""
        self.run_worker(self._watch("machine", self._take_machine), group="machine", exclusive=True)
        self._watch_list()
        self._follow()

    def _watch_list(self) -> None:
        first, count = self.rows.wanted
        project = None if self._all_projects else self.desk.caller.project
        window = {"offset": first, "limit": min(count, _MOST_ROWS), "project": project, **meant_by(self._words)}
        self.run_worker(self._watch("jobs", partial(self._take, first), **window), group="list", exclusive=True)

    async def _watch(self, name: str, take: Callable[[Facts], None], **arguments: Any) -> None:
        try:
            await self.desk.watch(name, take, **arguments)
        except BackgroundJobError as error:
            self.complain(str(error))

    def _take(self, first: int, facts: Facts) -> None:
        self._list = facts
        self.title = self._title()
        self.rows.show(facts["rows"], first=first, total=facts["count"])

    def _take_machine(self, facts: Facts) -> None:
        self._machine = facts
        self.title = self._title()
        self.post_message(self.Changed())

    def _title(self) -> tuple[str, ...]:
        found = f" with {self._words}" if self._words else ""
        count = self._list.get("count", 0)
        elsewhere = sum(self._list.get("projects", {}).values()) - count if not (self._all_projects or found) else 0
        return (
            f"{counted(count, 'job')}{found}",
            *lists.load_of(self._machine),
            *([f"{elsewhere} of other projects (p)"] if elsewhere > 0 else []),
            *([str(self._list["note"])] if self._list.get("note") else []),
        )

    def on_rows_wanted(self) -> None:
        """Look at what is seen now."""
        self._watch_list()

    def filtered(self, words: str) -> None:
        """Show only jobs with these words, or with these statuses."""
        self._words = words.strip()
        self._watch_list()

    def do_projects(self) -> None:
        """List jobs of all projects, or of this one."""
        self._all_projects = not self._all_projects or not self.desk.caller.project
        self._watch_list()

    def nothing(self) -> str:
        """Return why there is nothing."""
        return "no jobs" + (f" with {self._words}" if self._words else "")

    def about(self, row: Facts) -> str:
        """Return what there is to say of a job."""
        return lists.sentence_of(row)

    # -- the log -----------------------------------------------------------------------------------------------------

    def meant(self, row: Facts | None) -> None:
        """Follow the log of the job that is meant now."""
        job_id = str(row["job_id"]) if row else ""
        if self._log is not None and self._log.job_id == job_id:
            return
        self._log = Log(self.desk, job_id) if row else None
        self._on_screen = False
        self.sought = None
        self._points = []
        self._curves.update("")
        self.pager.mark(None)
        self.pager.follows = True
        self.pager.show([])
        self._follow()

    def _follow(self) -> None:
        log = self._log
        if log is None:
            return
        self.run_worker(self._watch("curve", self._take_points, job_id=log.job_id), group="curve", exclusive=True)
        if self._on_screen:
            work = self._watch("screen", self._take_screen, pace_s=_PACE_S, job_id=log.job_id)
        else:
            work = self._watch("log", partial(self._take_news, log), pace_s=_PACE_S, job_id=log.job_id)
        self.run_worker(work, group="log", exclusive=True)

    def _take_news(self, log: Log, news: Facts) -> None:
        if self.pager.follows:
            log.take(news)
            self.pager.show(log.lines())
        else:
            log.end = news["end"]

    def _take_screen(self, facts: Facts) -> None:
        self.pager.show([Line(line) for line in str(facts["text"]).splitlines()])

    def _take_points(self, facts: Facts) -> None:
        self._points = [*([] if facts["whole"] else self._points), *facts["points"]]
        newest, width = (self._points or [[0, None, None]])[-1], self.size.width
        row = self.row or {}
        goes = row.get("status") in NOT_OVER
        each = width if width < _WIDE else (width - 2) // 2
        shown: list[str] = []
        for label, place, top, value in (
            ("CPU", 1, _CPU_TOP, lists.percent(newest[1]) if goes else ""),
            ("MEM", 2, _MEMORY_TOP, size(newest[2]) if goes and newest[2] is not None else ""),
        ):
            head = f"{label} {value:>7} "
            points = [(float(point[0]), point[place]) for point in self._points]
            shown.append(head + curves.bars(points, each - len(head), least_top=top))
        between = "\n" if width < _WIDE else "  "
        self._curves.update(between.join(shown) if self._points else "")

    def on_pager_at_edge(self, event: Pager.AtEdge) -> None:
        """Read on where one has scrolled to."""
        if self._log is not None and not self._on_screen:
            self.run_worker(self._read_on(self._log, is_top=event.is_top), group="read", exclusive=True)

    async def _read_on(self, log: Log, *, is_top: bool) -> None:
        try:
            added = await log.more_above() if is_top else -await log.more_below()
        except BackgroundJobError as error:
            self.complain(str(error))
            return
        self.pager.show(log.lines(), added_above=added)
        if not is_top and log.is_at_end:
            self._to_end()

    def on_pager_asked(self, event: Pager.Asked) -> None:
        """Go to the beginning of the log, or to its end."""
        if self._log is not None and event.first and not self._on_screen:
            self.run_worker(self._show_at(self._log, "start"), group="read", exclusive=True)
        else:
            self._to_end()

    async def _show_at(self, log: Log, place: str, at: int = 0) -> None:
        """Show the log around a place in it."""
        try:
            about = await log.go(place, at)
        except BackgroundJobError as error:
            self.complain(str(error))
            return
        self.pager.follows = False
        self.pager.show(log.lines())
        self.pager.mark(self.sought, log.place_of(about))

    def _to_end(self) -> None:
        self.pager.follows = True
        self._follow()

    def do_screen(self) -> None:
        """Show what a full-screen program shows, or its output."""
        self._on_screen = not self._on_screen
        self._to_end()

    def do_failure(self) -> None:
        """Go to where the failure begins."""
        if self._log is not None:
            self._on_screen = False
            self.run_worker(self._show_at(self._log, "failure"), group="read", exclusive=True)

    async def hit(self, pattern: regex.Pattern[str], *, forward: bool) -> None:
        """Go to the next line that has what was searched for, wherever in the log it stands."""
        log = self._log
        if log is None or self._on_screen:
            await super().hit(pattern, forward=forward)
            return
        offset, is_over = self._search_from(log, forward=forward), False
        found = None
        try:
            while found is None and not is_over:
                found, offset, is_over = await log.seek(self.words, offset, forward=forward)
                if found is None and not is_over:
                    self.say(f"searching at {size(offset)} of {size(log.end)} (Esc: no more)")
        except BackgroundJobError as error:
            self.complain(str(error))
            return
        if found is None:
            self.tell(f"{self.words} was not found {'below' if forward else 'above'}")
        else:
            await self._show_at(log, "around", found)

    def _search_from(self, log: Log, *, forward: bool) -> int:
        places = self.pager.from_here(forward=forward)
        if forward:
            return log.offset_of(places.start) if places else log.next
        return log.offset_of(places.start + 1) if places else log.start

    # -- what is done with it ----------------------------------------------------------------------------------------

    async def do_kill(self) -> None:
        """Stop the job, once a person has said so."""
        row = self.row
        question = f"Kill {lists.label_of(row)} and all that it started? {row['command']}" if row else ""
        if row and await self.ask(Confirm(question, "kill")):
            self.tell(f"{lists.label_of(row)} is being stopped …")
            self._changed(await self.do("kill_job", job_id=row["job_id"]))

    async def do_restart(self) -> None:
        """Run its command again, once a person has said so."""
        row = self.row
        if not row:
            return
        what = "Stop and run again" if row["status"] in NOT_OVER else "Run again"
        if await self.ask(Confirm(f"{what} {lists.label_of(row)}? {row['command']}", "restart")):
            self._changed(await self.do("restart_job", job_id=row["job_id"], wait_s=0))

    async def do_signal(self) -> None:
        """Send the job a signal that a person chooses."""
        row = self.row
        name = await self.ask(Choose(f"Signal {lists.label_of(row)}", _SIGNALS)) if row else None
        if row and name:
            self._changed(await self.do("kill_job", job_id=row["job_id"], signal=name, signal_only=True))

    async def do_input(self) -> None:
        """Send the job what a person types."""
        row = self.row
        hint = "Enter sends it, Ctrl-D the end of input, Esc nothing"
        said = await self.ask(Ask(f"A line for {lists.label_of(row)}", hint=hint)) if row else None
        if row and said is not None:
            what: dict[str, Any] = {"keys": ["eof"]} if said == Ask.END else {"input": said}
            await self.do("interact_with_job", job_id=row["job_id"], wait_s=0, **what)

    def _changed(self, report: Facts | None) -> None:
        if report is not None:
            processes = report.get("processes")
            whom = f" to {', '.join(map(str, processes))}" if processes else ""
            self.tell(f"{lists.label_of(report)} {report['status']}{whom}")
