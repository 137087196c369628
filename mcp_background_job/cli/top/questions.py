"""What is asked of a person before something is done: a yes, a choice, a line of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from mcp_background_job.cli.top import painting
from mcp_background_job.cli.top.keys import COMMON, MOVING, of_tab

Answer = TypeVar("Answer")


class _Question(ModalScreen[Answer]):
    """Something that is asked; Esc gives no answer."""

    AUTO_FOCUS = "Input, OptionList, VerticalScroll"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "no", show=False),
        Binding("ctrl+c", "app.quit", show=False, priority=True),
    ]

    def action_no(self) -> None:
        """Give no answer."""
        self.dismiss(None)


class Confirm(_Question[bool]):
    """Asks whether something is to be done; nothing but ``y`` does it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", show=False),
        Binding("n,q", "no", show=False),
    ]

    def __init__(self, question: str, verb: str) -> None:
        """Takes the question, and in a word what is done."""
        super().__init__()
        self._question = question
        self._verb = verb

    def compose(self) -> ComposeResult:
        """Show it."""
        with Vertical(classes="question"):
            yield Static(painting.content(self._question, "bold"))
            yield Static(painting.content(f"y {self._verb}    n leave it"))

    def action_yes(self) -> None:
        """Have it done."""
        self.dismiss(result=True)


class Ask(_Question[str]):
    """Asks for a line of text."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+d", "end", show=False, priority=True)]

    #: What is answered to mean the end of the input.
    END = "\x04"

    def __init__(self, question: str, about: Sequence[str] = (), *, hint: str = "Enter sends it, Esc does not") -> None:
        """Takes the question, lines that say more, and what keys do."""
        super().__init__()
        self._question = question
        self._about = about
        self._hint = hint

    def compose(self) -> ComposeResult:
        """Show it."""
        with Vertical(classes="question"):
            yield Static(painting.content(self._question, "bold"))
            with VerticalScroll(classes="about", can_focus=False):
                for line in self._about:
                    yield Static(painting.content(line))
            yield Input(compact=True)
            yield Static(painting.content(self._hint, "dim"))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take what was typed."""
        self.dismiss(event.value)

    def action_end(self) -> None:
        """Take it that there is no more input."""
        self.dismiss(self.END)


class Choose(_Question[str]):
    """Asks for one of several things."""

    def __init__(self, question: str, choices: Sequence[tuple[str, str]]) -> None:
        """Takes the question, and each choice with what is said of it."""
        super().__init__()
        self._question = question
        self._choices = choices

    def compose(self) -> ComposeResult:
        """Show it."""
        with Vertical(classes="question"):
            yield Static(painting.content(self._question, "bold"))
            options = [Option(painting.content(f"{choice:<6}{about}"), id=choice) for choice, about in self._choices]
            yield OptionList(*options, markup=False, compact=True)

    def on_mount(self) -> None:
        """Mean the first of them."""
        self.query_one(OptionList).highlighted = 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take what was chosen."""
        self.dismiss(event.option.id)


class Help(_Question[None]):
    """All keys of a tab."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,question_mark,enter", "no", show=False)]

    def __init__(self, tab: str) -> None:
        """Takes where one is."""
        super().__init__()
        self._tab = tab

    def compose(self) -> ComposeResult:
        """Show them."""
        pairs = [(key.shown, key.about) for key in (*of_tab(self._tab), *COMMON, *MOVING)]
        with VerticalScroll(classes="question", can_focus=True):
            for shown, about in pairs:
                with Horizontal(classes="pair"):
                    yield Static(painting.content(shown, "bold"), classes="key")
                    yield Static(painting.content(about), classes="does")
