"""What the tabs have in common: a list, below it what is said of the row that is meant, and below that its lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input, Static

from mcp_background_job.cli.top import keys, painting
from mcp_background_job.cli.top.columns import Column, Facts
from mcp_background_job.cli.top.desk import Desk
from mcp_background_job.cli.top.pager import Line, Pager
from mcp_background_job.cli.top.rows import Rows
from mcp_background_job.cli.top.searching import pattern_of, place_of
from mcp_background_job.cli.wording import typed
from mcp_background_job.errors import BackgroundJobError, InvalidRequestError
from mcp_background_job.executors import lanes

if TYPE_CHECKING:
    import regex


class Tab(Vertical):
    """A tab.

    Attributes:
        title: what it shows, how much of it; of these parts the first line of the window has those that fit.
        words: what was searched for.
        sought: what they mean.
    """

    #: Its name; its columns; the field that tells its rows apart.
    name_of_tab: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]]
    key: ClassVar[str]

    #: Whether long lines go on below, and whether more of them come at the end.
    wraps: ClassVar[bool] = True
    grows: ClassVar[bool] = True

    class Changed(Message):
        """The row that is meant is another, or is not as it was; or the title is not."""

    def __init__(self, desk: Desk) -> None:
        """Takes what it asks."""
        super().__init__(id=self.name_of_tab)
        self.desk = desk
        self.title: tuple[str, ...] = ()
        self.words = ""
        self.sought: regex.Pattern[str] | None = None
        self.rows = Rows(self.columns, self.key, id=f"{self.name_of_tab}-rows")
        self._heading = Static(classes="heading")
        self._about = Static(classes="about")
        self.pager = Pager(id=f"{self.name_of_tab}-pager", wraps=self.wraps, grows=self.grows)

    def compose(self) -> ComposeResult:
        """Show an empty list."""
        yield self._heading
        yield self.rows
        yield self._about
        yield from self.between()
        yield self.pager
        with Vertical(classes="asking"):
            yield Static(classes="words")
            yield Input(compact=True)

    def between(self) -> Iterator[Any]:
        """Yield what stands between list and lines."""
        return iter(())

    @property
    def window(self) -> Any:
        """What the tab is in; the library leaves its type half open."""
        return cast("Any", self).app

    @property
    def row(self) -> Facts | None:
        """The row that is meant."""
        return self.rows.current

    # -- what the tabs do each in their way --------------------------------------------------------------------------

    def begin(self) -> None:
        """Keep all that is shown up to date, from now on."""
        raise NotImplementedError

    def end(self) -> None:
        """Look at nothing any more: another tab is shown."""
        self.window.workers.cancel_node(self)

    def meant(self, row: Facts | None) -> None:
        """Show the row that is meant now, or again."""
        raise NotImplementedError

    def about(self, row: Facts) -> str:
        """Return what is said of a row, on a line."""
        raise NotImplementedError

    def filtered(self, words: str) -> None:
        """Show only rows with these words."""
        raise NotImplementedError

    # -- showing -----------------------------------------------------------------------------------------------------

    def on_rows_moved(self) -> None:
        """Show what is meant now."""
        row = self.row
        self._heading.update(painting.content(self.rows.heading(), "bold"))
        self.say(self.about(row) if row else self.nothing(), "" if row else "dim")
        self.meant(row)
        self.post_message(self.Changed())

    def nothing(self) -> str:
        """Return what is said where no row is meant."""
        return ""

    def on_rows_chosen(self) -> None:
        """Read what belongs to the row."""
        self.do_zoom()

    def say(self, text: str, style: str = "") -> None:
        """Say something of the row that is meant."""
        self._about.update(painting.content(text, style))

    def say_lines(self, text: str, style: str = "") -> None:
        """Show a text in the place of lines."""
        self.pager.show([Line(line, style) for line in text.splitlines()])

    # -- keys --------------------------------------------------------------------------------------------------------

    def do_zoom(self) -> None:
        """Give the whole window to the lines, or take it back."""
        if self.toggle_class("zoomed").has_class("zoomed"):
            self.pager.focus()
        else:
            self.rows.focus()

    def do_find(self) -> None:
        """Ask what to filter the list by, or what to search the lines for."""
        box = self.query_one(".asking")
        what = "search for" if self.pager.has_focus else "show only"
        self.query_one(".words", Static).update(painting.content(what))
        box.set_class(self.pager.has_focus, "searching")
        box.add_class("open")
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take what was typed."""
        event.stop()
        searches = self.query_one(".asking").has_class("searching")
        self.stop_asking()
        if searches:
            self.search(event.value)
        else:
            self.filtered(event.value)

    def stop_asking(self) -> bool:
        """Put away the line that is typed into; returns whether there was one."""
        box = self.query_one(".asking")
        if not box.has_class("open"):
            return False
        searches = box.has_class("searching")
        box.remove_class("open")
        (self.pager if searches else self.rows).focus()
        return True

    # -- searching ---------------------------------------------------------------------------------------------------

    def search(self, words: str) -> None:
        """Search the lines: on from what is seen of them; where they are followed, back from their end."""
        self.words = words
        try:
            self.sought = pattern_of(words) if words else None
        except InvalidRequestError as error:
            self.complain(str(error))
            return
        forward = not self.pager.follows
        self.pager.mark(self.sought)
        if self.sought:
            self._go_on(forward=forward)

    def do_again(self) -> None:
        """Go to the next line that was searched for."""
        self._go_on(forward=True)

    def do_back(self) -> None:
        """Go to the one before."""
        self._go_on(forward=False)

    def _go_on(self, *, forward: bool) -> None:
        if self.sought is None:
            self.tell("search for something first: / in the log")
        else:
            self.run_worker(self.hit(self.sought, forward=forward), group=f"{self.name_of_tab}-search", exclusive=True)

    async def hit(self, pattern: regex.Pattern[str], *, forward: bool) -> None:
        """Go to the next line that has what was searched for, among those that are here."""
        place = await lanes.scan(place_of, self.pager.lines, pattern, self.pager.from_here(forward=forward))
        if place is None:
            self.tell(f"{self.words} was not found {'below' if forward else 'above'}")
        else:
            self.pager.mark(pattern, place)

    def back_out(self) -> None:
        """Take back the last of what was asked: Esc."""
        self.window.workers.cancel_group(self, f"{self.name_of_tab}-search")
        if not self.stop_asking() and self.has_class("zoomed"):
            self.do_zoom()

    # -- doing -------------------------------------------------------------------------------------------------------

    async def do(self, name: str, **arguments: Any) -> Facts | None:
        """Call an action; says why it was not done, and returns ``None`` then."""
        try:
            return await self.desk.do(name, **arguments)
        except BackgroundJobError as error:
            self.complain(str(error))
            return None

    def tell(self, text: str) -> None:
        """Say what came of something."""
        self.window.notify(painting.harmless(typed(text)), markup=False)

    def complain(self, text: str) -> None:
        """Say what is wrong."""
        self.window.notify(painting.harmless(typed(text)), severity="error", markup=False)

    async def ask(self, screen: Screen[Any]) -> Any:
        """Ask something; returns the answer, ``None`` for none."""
        return await self.window.push_screen_wait(screen)

    def refused(self, key: keys.Key) -> None:
        """Say why a key does nothing now."""
        what = self.row
        self.tell(f"{key.label}: {key.instead}" if what and key.instead else f"{key.label}: nothing is meant")


class ListedTab(Tab):
    """A tab whose rows are all here: what they are filtered by is looked for in them.

    Attributes:
        listed: the rows, filtered or not.
    """

    listed: tuple[Facts, ...] = ()
    _filter: tuple[str, ...] = ()

    def show_rows(self) -> None:
        """Show those rows that have all the words."""
        self.rows.show([row for row in self.listed if all(word in str(row).lower() for word in self._filter)])

    def filtered(self, words: str) -> None:
        """Show only rows with these words."""
        self._filter = tuple(words.lower().split())
        self.show_rows()
