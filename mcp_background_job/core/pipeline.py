"""Whether the exit code of a command is that of a pipeline's last stage.

A reader of shell text that knows quoting, here-documents, comments, and what opens and closes a compound command; no
more is needed to find the end of the text and see whether that is a pipeline. In doubt it is none: nothing is said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_OPENING = ("if", "while", "until", "for", "select", "{")
_CLOSING = ("fi", "done", "}")
#: Behind these a command begins, as it does behind what opens.
_BEFORE_COMMANDS = (*_OPENING, "then", "else", "elif", "do", "!", "time")

#: Text with these is left alone: patterns with bars of their own, other rules for the exit code, traps like ours.
_BEYOND_US = re.compile(r"\b(case|coproc|pipefail|trap|PIPESTATUS|pipestatus|BASH_ENV|ZDOTDIR)\b")

_WORD_END = " \t\n;&|<>()"
_HERE_DOCUMENT = re.compile(r"<<(?P<tabs>-?)[ \t]*(?P<word>(?:'[^'\n]*'|\"[^\"\n]*\"|\\.|[^\s;&|<>()'\"\\])+)")
_CLOSERS = {"(": ")", "{": "}"}


class _UnfinishedError(Exception):
    """The text ends within a quotation or in parentheses: the shell will say so."""


def ends_in_pipeline(text: str) -> bool:
    """Tell whether the last command of a shell text is a pipeline in the foreground."""
    if "|" not in text or _BEYOND_US.search(text):
        return False
    try:
        return _Reader(text).ends_in_pipeline()
    except _UnfinishedError:
        return False


@dataclass
class _Command:
    """What is known of one command of a list: whether it is a pipeline, and how many words it has."""

    is_pipeline: bool = False
    is_negated: bool = False
    words: int = 0


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

    def ends_in_pipeline(self) -> bool:
        while self.position < len(self.text):
            self._step()
        self._end_command()
        return self.last.is_pipeline and not self.last.is_negated and not self.outer

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
        self._skip_here_documents()
        if not (self.command.is_pipeline and self.begins_command):  # a pipeline goes on behind its bar
            self._end_command()

    def _parenthesis(self) -> None:
        if self.text.startswith("()", self.position):
            self.position += 2
            self.begins_command = True  # the body of a function
        elif self.text[self.position] == "(":
            self._skip_brackets("(")
            self._count_word()
        else:
            raise _UnfinishedError

    def _operator(self) -> None:
        two = self.text[self.position : self.position + 2]
        if two in ("&>", ">&"):
            self.position += 2
        elif two in ("||", "&&"):
            self.position += 2
            self._end_command()
        elif two[0] == "|":
            self.position += 2 if two == "|&" else 1
            self.command.is_pipeline = self.begins_command = True
        else:
            in_background = two[0] == "&"
            self.position += 1
            self._end_command()
            if in_background:
                self.last = _Command(words=1)

    def _redirection(self) -> None:
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
        while self.position < len(self.text) and self.text[self.position] not in _WORD_END:
            self._skip_part()
        word = self.text[begin : self.position]
        if (
            self.position < len(self.text)
            and self.text[self.position] == "("
            and word.endswith(("=", "@", "+", "?", "*"))
        ):
            self._skip_brackets("(")  # an array, a pattern
        if not self.begins_command:
            self.command.words += 1
        elif word == "[[":
            self._skip_condition()
        elif word in _CLOSING:
            self._close()
        elif word in _BEFORE_COMMANDS:
            self._open(word)
        else:
            self._count_word()

    def _open(self, word: str) -> None:
        if word == "!":
            self.command.is_negated = True
        elif word in _OPENING:
            self.outer.append(self.command)
            self.command = _Command()
            self.begins_command = word in ("if", "while", "until", "{")

    def _close(self) -> None:
        if not self.outer:
            raise _UnfinishedError
        self.command = self.outer.pop()
        self._count_word()

    def _count_word(self) -> None:
        self.command.words += 1
        self.begins_command = False

    def _end_command(self) -> None:
        if self.command.words:
            self.last = self.command
        self.command = _Command()
        self.begins_command = True

    # -- what is passed over ---------------------------------------------------------------------------------------

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
                self.position += 1  # it is no quotation here
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
