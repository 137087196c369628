"""The pipelines of a shell text. A shell reports only the exit code of the last stage.

The reader knows quoting, here-documents, comments, and the words that open and close a compound command. It needs no
more to find pipelines and the end of the text. In doubt it finds none, and nothing is said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mcp_background_job.core.values import frozen

_OPENING = ("if", "while", "until", "for", "select", "{")
_CLOSING = ("fi", "done", "}")
#: A command begins behind these words, as it does behind those that open a compound command.
_BEFORE_COMMANDS = (*_OPENING, "then", "else", "elif", "do", "!", "time")

#: Commands that the shell may execute again and again; a text that ``eval`` is given may hold such a command.
_REPEATING = ("while", "until", "for", "select", "eval")

#: If this option is set, the shell itself runs the last stage of a pipeline.
_LASTPIPE = re.compile(r"\blastpipe\b")

#: Texts with these words are not read: they have bars of another meaning, or look at the exit codes of stages already.
_BEYOND_US = re.compile(r"\b(case|coproc|pipefail|PIPESTATUS|pipestatus)\b")

#: A shell with these does or shows something else if this program sets a trap in it.
_MINDS_TRAPS = re.compile(
    r"\b(trap|BASH_ENV|ZDOTDIR|verbose|functrace|extdebug|monitor|restricted|ulimit)\b|\bset\s+-[a-zA-Z]*[vTmr]"
)

#: Builtins: the shell runs them itself, also as its last command. For any other last command behind ``&&``, bash
#: replaces itself unless a trap needs it afterwards; then a signal that ends that command ends the job's own process.
_BUILTIN = ("echo", "printf", "true", "false", ":", "exit", "test", "[", "[[", "wait", "cd", "return", "set", "unset")

_WORD_END = " \t\n;&|<>()"
_HERE_DOCUMENT = re.compile(r"<<(?P<tabs>-?)[ \t]*(?P<word>(?:'[^'\n]*'|\"[^\"\n]*\"|\\.|[^\s;&|<>()'\"\\])+)")
_CLOSERS = {"(": ")", "{": "}"}


class _UnfinishedError(Exception):
    """The text ends within a quotation or in parentheses: the shell will report that."""


@frozen
class Pipeline:
    """A pipeline in the foreground: the text of each stage, and whether the shell runs it itself.

    A pipeline in a subshell or a function runs where no trap of this program sees it.
    """

    stages: tuple[str, ...]
    is_outermost: bool


@frozen
class Pipelines:
    """The facts about the pipelines of a text.

    Attributes:
        all: the pipelines, in the order of the text.
        background: the texts of the commands that the shell itself puts in the background; ``""`` inside a compound
            one.
        is_last: the last command is a pipeline.
        comes_back: the shell is still there when the last command has ended.
        may_end_in_one: what the shell runs last may be a pipeline, and the shell is still there when it has ended.
        keeps_its_end: the shell ends as it would if it had a DEBUG trap.
        stays_in_sight: after each pipeline the shell itself runs the next command: that is no subshell.
        repeats: it may run so many commands that a trap before each would cost time.
        may_trap: a trap of this program changes nothing else.
    """

    all: tuple[Pipeline, ...] = ()
    background: tuple[str, ...] = ()
    is_last: bool = False
    comes_back: bool = False
    may_end_in_one: bool = False
    keeps_its_end: bool = False
    stays_in_sight: bool = True
    repeats: bool = False
    may_trap: bool = True


NONE = Pipelines()


def pipelines(text: str) -> Pipelines:
    """Return the facts about the pipelines of a shell text; ``NONE`` if there are none, or in doubt."""
    if not ("|" in text or "&" in text) or _BEYOND_US.search(text):
        return NONE
    try:
        return _Reader(text).read()
    except _UnfinishedError:
        return NONE


@dataclass
class _Command:
    """The facts about one command of a list.

    Attributes:
        stages: the texts of the stages that have ended.
        words: how many words it has.
        first: the first of them, if it is a simple command.
        begin: where the present stage begins; -1 if it has not begun.
        is_in_sight: the shell itself stops at a stage of it.
        is_function: it is the body of a function.
        repeats: it is a loop, or executes a text that may have one.
        follows: the operator before it.
        before: how many pipelines were found before its list.
    """

    stages: list[str] = field(default_factory=list[str])
    words: int = 0
    first: str = ""
    begin: int = -1
    is_in_sight: bool = False
    is_function: bool = False
    repeats: bool = False
    follows: str = ""
    before: int = 0


@dataclass
class _Reader:
    """Reads a text once, from its beginning to its end."""

    text: str
    position: int = 0
    command: _Command = field(default_factory=_Command)
    last: _Command = field(default_factory=_Command)
    outer: list[_Command] = field(default_factory=list[_Command])
    here_documents: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    begins_command: bool = True
    is_body: bool = False
    found: list[Pipeline] = field(default_factory=list[Pipeline])
    background: list[str] = field(default_factory=list[str])
    stays_in_sight: bool = True
    repeats: bool = False

    def read(self) -> Pipelines:
        while self.position < len(self.text):
            self._step()
        self._end_command(len(self.text), "")
        if self.outer:
            raise _UnfinishedError
        last = self.last
        is_sequence = last.follows not in ("&&", "||")
        is_composed = bool(last.stages) or not last.first
        comes_back = is_composed or last.first in _BUILTIN
        return Pipelines(
            all=tuple(self.found),
            background=tuple(self.background),
            is_last=bool(last.stages),
            comes_back=comes_back,
            may_end_in_one=is_composed or (comes_back and not is_sequence),
            keeps_its_end=comes_back or is_sequence,
            stays_in_sight=self.stays_in_sight,
            repeats=self.repeats,
            may_trap=not _MINDS_TRAPS.search(self.text),
        )

    def _step(self) -> None:
        text, at = self.text, self.position
        character = text[at]
        if character in " \t":
            self.position += 1
        elif character == "\n":
            self._line_end()
        elif character == "#":
            end = text.find("\n", at)
            self.position = len(text) if end < 0 else end
        elif character in ";&|":
            self._operator()
        elif character in "<>":
            self._redirection()
        elif character in "()":
            self._parenthesis()
        elif text.startswith("\\\n", at):
            self.position += 2
        else:
            self._word()

    def _line_end(self) -> None:
        self.position += 1
        end = self.position - 1
        self._skip_here_documents()
        if not (self.command.stages and self.begins_command):  # the pipeline goes on behind its bar
            self._end_command(end, "\n")

    def _parenthesis(self) -> None:
        if self.text.startswith("()", self.position):
            self.position += 2
            self.begins_command = self.is_body = True
            self.command.first = ""
        elif self.text[self.position] == "(":
            self._begin()
            begin, is_body = self.position, self._takes_body()
            self._skip_brackets("(")
            self.command.is_in_sight |= self.text.startswith("((", begin)
            if not self.text.startswith("((", begin) and "|" in self.text[begin : self.position]:
                inner = pipelines(self.text[begin + 1 : self.position - 1])
                self.found += [Pipeline(one.stages, is_outermost=False) for one in inner.all]
            self._count_word()
            self.command.is_in_sight |= is_body
        else:
            raise _UnfinishedError

    def _operator(self) -> None:
        two = self.text[self.position : self.position + 2]
        if two in ("&>", ">&"):
            self.position += 2
        elif two in ("||", "&&"):
            self.position += 2
            self._end_command(self.position - 2, two)
        elif two[0] == "|":
            self._end_stage(self.position)
            self.position += 2 if two == "|&" else 1
            self.begins_command = True
        else:
            self.position += 1
            self._end_command(self.position - 1, two[0])

    def _redirection(self) -> None:
        self._begin()
        found = _HERE_DOCUMENT.match(self.text, self.position)
        if found and self.text[self.position : self.position + 3] != "<<<":
            word = re.sub(r"['\"\\]", "", found["word"])
            self.here_documents.append((word, bool(found["tabs"])))
            self.position = found.end()
            return
        self.position += 1
        if self.text[self.position : self.position + 1] in ("<", ">", "&", "|"):
            self.position += 1
        if self.text[self.position : self.position + 1] == "(":
            self._skip_brackets("(")

    def _word(self) -> None:
        begin = self.position
        self._begin()
        while self.position < len(self.text) and self.text[self.position] not in _WORD_END:
            self._skip_part()
        word = self.text[begin : self.position]
        if (
            self.position < len(self.text)
            and self.text[self.position] == "("
            and word.endswith(("=", "@", "+", "?", "*"))
        ):
            self._skip_brackets("(")  # an array, a pattern
        self.command.repeats |= word == "eval"
        if not self.begins_command:
            self.command.words += 1
        elif word == "[[":
            self._skip_condition()
        elif word in _CLOSING:
            self._close()
        elif word in _BEFORE_COMMANDS:
            self._open(word)
        else:
            self.command.is_in_sight = True
            if not self.command.words:
                self.command.first = word
            self._count_word()

    def _open(self, word: str) -> None:
        if word in _OPENING:
            self.command.is_function |= self._takes_body()
            self.command.repeats |= word in _REPEATING
            self.outer.append(self.command)
            self.command = _Command(before=len(self.found))
            self.begins_command = word in ("if", "while", "until", "{")
        else:
            self.command.begin = -1

    def _takes_body(self) -> bool:
        is_body, self.is_body = self.is_body, False
        return is_body

    def _close(self) -> None:
        if not self.outer:
            raise _UnfinishedError
        self.command = self.outer.pop()
        self.command.is_in_sight = True  # at the commands in it
        self._count_word()

    def _count_word(self) -> None:
        self.command.words += 1
        self.begins_command = False

    def _begin(self) -> None:
        if self.command.begin < 0:
            self.command.begin = self.position

    def _end_stage(self, end: int) -> None:
        command = self.command
        command.stages.append(self.text[max(command.begin, 0) : end].strip(" \t\n\\"))
        command.begin = -1

    def _end_command(self, end: int, operator: str) -> None:
        command = self.command
        if command.words:
            if command.stages:
                self._end_stage(end)
            self._note(command, in_background=operator == "&", end=end)
        if command.words or operator in ("&&", "||"):
            is_same_list = operator in ("&&", "||")
            self.command = _Command(follows=operator, before=command.before if is_same_list else len(self.found))
        else:
            self.command = _Command(follows=command.follows, before=command.before)
        self.begins_command = True

    def _note(self, command: _Command, *, in_background: bool, end: int) -> None:
        is_outermost = not any(one.is_function for one in self.outer)
        if in_background:
            del self.found[command.before :]  # the list is run in another process
            named = " | ".join(command.stages) or self.text[command.begin : end].strip()
            # A compound command may run it twice, or never: then it is unknown which command has ended.
            self.background.append("" if self.outer else named)
            self.last = _Command(words=1, first=":")
            return
        # The shell runs a stage in another process, and does not stop at commands in a function.
        is_own = is_outermost and not command.is_function and (not command.stages or bool(_LASTPIPE.search(self.text)))
        self.repeats |= command.repeats and is_own
        if command.stages:
            self.found.append(Pipeline(tuple(command.stages), is_outermost=is_outermost))
        if len(self.found) > bool(command.stages) and not command.is_in_sight:
            self.stays_in_sight = False
        self.last = command

    # -- parts that are skipped --------------------------------------------------------------------------------------

    def _skip_part(self) -> None:
        """Pass over one character of a word, or over one quotation or expansion in it."""
        text, at = self.text, self.position
        character = text[at]
        if character == "\\":
            self.position += 2
        elif character == "'":
            self._skip_single(escapes=text[at - 1 : at] == "$")
        elif character == '"':
            self._skip_double()
        elif character == "`":
            self.position = self._found("`", at + 1) + 1
        elif character == "$" and text[at + 1 : at + 2] in ("(", "{"):
            self.position += 1
            self._skip_brackets(text[at + 1])
        else:
            self.position += 1

    def _skip_single(self, *, escapes: bool) -> None:
        self.position += 1
        while self.position < len(self.text) and self.text[self.position] != "'":
            self.position += 2 if escapes and self.text[self.position] == "\\" else 1
        if self.position >= len(self.text):
            raise _UnfinishedError
        self.position += 1

    def _skip_double(self) -> None:
        self.position += 1
        while self.position < len(self.text) and self.text[self.position] != '"':
            if self.text[self.position] == "'":
                self.position += 1  # it does not quote here
            else:
                self._skip_part()
        if self.position >= len(self.text):
            raise _UnfinishedError
        self.position += 1

    def _skip_brackets(self, opening: str) -> None:
        closing = _CLOSERS[opening]
        self.position += 1
        while self.position < len(self.text) and self.text[self.position] != closing:
            if self.text[self.position] == opening:
                self._skip_brackets(opening)
            else:
                self._skip_part()
        if self.position >= len(self.text):
            raise _UnfinishedError
        self.position += 1

    def _skip_condition(self) -> None:
        self.position = self._found("]]", self.position) + 2
        self._count_word()

    def _skip_here_documents(self) -> None:
        for word, tabs in self.here_documents:
            while self.position < len(self.text):
                end = self.text.find("\n", self.position)
                end = len(self.text) if end < 0 else end
                line = self.text[self.position : end]
                self.position = end + 1
                if (line.lstrip("\t") if tabs else line) == word:
                    break
        self.here_documents.clear()

    def _found(self, what: str, start: int) -> int:
        at = self.text.find(what, start)
        if at < 0:
            raise _UnfinishedError
        return at
