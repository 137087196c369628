"""The command line: which commands there are, and how errors become exit codes."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import Any, NoReturn

from cyclopts import App, CycloptsError, Parameter, UnknownCommandError, UnknownOptionError

from mcp_background_job import __version__
from mcp_background_job.cli import exit_codes, output, terminal
from mcp_background_job.errors import BackgroundJobError, InvalidRequestError

_HELP = """\
Runs commands in the background, watches them, waits for them, and really kills them.

Without a command it serves MCP over stdio. A job's name works wherever its id does.
"""

#: Each command: its name, its module below ``commands``, and what the list of commands says. A module is imported only
#: when its command is run, so that a quick command does not pay for the others.
_COMMANDS = (
    ("run", "mcp_background_job.cli.commands.run:run", "Start a command in the background."),
    ("list", "mcp_background_job.cli.commands.listing:list_jobs", "List jobs, running ones first."),
    ("top", "mcp_background_job.cli.commands.top:top", "Watch jobs, renders and runs, full-screen."),
    ("status", "mcp_background_job.cli.commands.status:status", "Show all that is known of a job."),
    ("logs", "mcp_background_job.cli.commands.logs:logs", "Print a job's output."),
    ("wait", "mcp_background_job.cli.commands.wait:wait", "Wait for jobs, and exit as they did."),
    ("send", "mcp_background_job.cli.commands.send:send", "Send text or keys to a job's stdin."),
    ("kill", "mcp_background_job.cli.commands.kill:kill", "Stop jobs and everything that they started."),
    ("restart", "mcp_background_job.cli.commands.restart:restart", "Start a job's command again."),
    ("prune", "mcp_background_job.cli.commands.prune:prune", "Remove ended jobs and their output."),
    ("endings", "mcp_background_job.cli.commands.endings:endings", "Print what has ended, or what ends."),
    ("dashboard", "mcp_background_job.cli.commands.dashboard:dashboard", "Show all of it on a page, in a browser."),
    ("serve", "mcp_background_job.cli.commands.serve:serve", "Serve MCP over stdio or HTTP."),
    ("install", "mcp_background_job.cli.commands.install:install", "Put this server into a client's configuration."),
    ("uninstall", "mcp_background_job.cli.commands.install:uninstall", "Take it out of a client again."),
    ("places", "mcp_background_job.cli.commands.places:places", "Show where jobs can run, and what is free."),
    ("doctor", "mcp_background_job.cli.commands.doctor:doctor", "Show the settings in force, and what is wrong."),
    ("demo", "mcp_background_job.cli.demo:main", "Show what it can do, in a minute."),
    ("completion", "mcp_background_job.cli.commands.completion:completion", "Print or install shell completion."),
)

_COMFYUI_COMMANDS = (
    ("status", "mcp_background_job.cli.commands.comfyui.status:status", "Show what ComfyUI does now."),
    (
        "submit",
        "mcp_background_job.cli.commands.comfyui.submit:submit",
        "Put a workflow into its queue; several make a batch.",
    ),
    ("job", "mcp_background_job.cli.commands.comfyui.job:job", "Show one prompt, or follow it to its end."),
    ("jobs", "mcp_background_job.cli.commands.comfyui.jobs:jobs", "List prompts, those of earlier days too."),
    ("errors", "mcp_background_job.cli.commands.comfyui.errors:errors", "Show why prompts failed."),
    ("cancel", "mcp_background_job.cli.commands.comfyui.cancel:cancel", "Stop a render, and verify it."),
    ("move", "mcp_background_job.cli.commands.comfyui.move:move", "Move a pending prompt to the front, or the end."),
    ("batch", "mcp_background_job.cli.commands.comfyui.batch:app", "List batches of prompts, or look after one."),
    ("sessions", "mcp_background_job.cli.commands.comfyui.sessions:sessions", "List sessions, which group prompts."),
    ("session", "mcp_background_job.cli.commands.comfyui.session:app", "Show a session; take it to or from a file."),
    (
        "new-session",
        "mcp_background_job.cli.commands.comfyui.new_session:new_session",
        "Begin a session in this directory.",
    ),
    ("track", "mcp_background_job.cli.commands.comfyui.track:track", "Add a prompt to a session."),
    ("models", "mcp_background_job.cli.commands.comfyui.inventory:models", "Search the models that it has."),
    ("nodes", "mcp_background_job.cli.commands.comfyui.inventory:nodes", "Search the kinds of nodes that it has."),
    (
        "clear-history",
        "mcp_background_job.cli.commands.comfyui.clear_history:clear_history",
        "Remove old entries of its history.",
    ),
    ("upload", "mcp_background_job.cli.commands.comfyui.upload:upload", "Upload what workflows take."),
    ("download", "mcp_background_job.cli.commands.comfyui.download:download", "Download what prompts have made."),
    (
        "download-session",
        "mcp_background_job.cli.commands.comfyui.download_session:download_session",
        "Download what the prompts of a session have made.",
    ),
    ("free", "mcp_background_job.cli.commands.comfyui.free:free", "Have it let go of memory."),
    ("start", "mcp_background_job.cli.commands.comfyui.start:start", "Start ComfyUI as a background job."),
    ("stop", "mcp_background_job.cli.commands.comfyui.stop:stop", "End ComfyUI and all that it started."),
    ("restart", "mcp_background_job.cli.commands.comfyui.restart:restart", "End ComfyUI and run it again."),
)
_RUNS_COMMANDS = (
    ("list", "mcp_background_job.cli.commands.runs.listing:list_runs", "List runs, newest first."),
    ("show", "mcp_background_job.cli.commands.runs.show:show", "Show all that is known of a run."),
    ("events", "mcp_background_job.cli.commands.runs.events:events", "Print what an agent says, or follow it."),
    ("watch", "mcp_background_job.cli.commands.runs.watch:watch", "Show a run as it goes, and answer what it asks."),
    ("spawn", "mcp_background_job.cli.commands.runs.spawn:spawn", "Hand a task to an agent."),
    ("continue", "mcp_background_job.cli.commands.runs.go_on:go_on", "Answer a run, or go on after its end."),
    (
        "artifact",
        "mcp_background_job.cli.commands.runs.artifact:artifact",
        "Print the whole of a field that an event shows cut.",
    ),
    ("cancel", "mcp_background_job.cli.commands.runs.cancel:cancel", "Stop a run and all that it started."),
    ("agents", "mcp_background_job.cli.commands.runs.agents:agents", "List agents, and messages that wait for them."),
    ("send", "mcp_background_job.cli.commands.runs.send:send", "Leave a message for another agent."),
    ("inbox", "mcp_background_job.cli.commands.runs.inbox:inbox", "Print messages to an agent."),
)

_HOOK_COMMANDS = (
    ("stop", "mcp_background_job.cli.commands.hook.stop:stop", "At the end of a turn: wait, and have it go on."),
)

#: Groups of commands: what each is for, its exit codes, and those in it.
_GROUPS = {
    "comfyui": ("Control ComfyUI: its renders, and its process.", exit_codes.COMFYUI_TABLE, _COMFYUI_COMMANDS),
    "runs": ("Run other coding agents, and stay in control.", exit_codes.RUNS_TABLE, _RUNS_COMMANDS),
    "hook": ("What clients run by themselves: see docs/reference/hooks.md.", exit_codes.HOOK_TABLE, _HOOK_COMMANDS),
}


#: Run by us and not by people, who need not see them.
_OWN_COMMANDS = {
    "comfyui": (
        ("feed", "mcp_background_job.cli.commands.comfyui.feed:feed", "Send what waits until nothing does."),
        # Jobs of release 1.0.0 that are queued, and run after an update, run this.
        ("dispatch", "mcp_background_job.cli.commands.comfyui.feed:feed", "The same."),
    ),
}


class _HelpFormatter:
    """One of cyclopts's, loaded when help is asked for: a quick command does without."""

    @cached_property
    def _theirs(self) -> Any:
        from cyclopts.help import formatters  # noqa: PLC0415  see above

        return formatters.DefaultFormatter() if terminal.for_people() else formatters.PlainFormatter()

    def __call__(self, console: Any, options: Any, panel: Any) -> None:
        self._theirs(console, options, panel)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._theirs, name)


def build_app() -> App:
    """Return the command line."""
    app = App(
        name=terminal.PROGRAM,
        help=_HELP,
        help_epilogue=exit_codes.TABLE,
        version=__version__,
        default_parameter=Parameter(negative=()),
        help_formatter=_HelpFormatter(),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for name, path, text in _COMMANDS:
        app.command(path, name=name, help=text)
    for title, (about, codes, commands) in _GROUPS.items():
        group = App(name=title, help=about, help_epilogue=codes)
        for name, path, text in commands:
            group.command(path, name=name, help=text)
        for name, path, text in _OWN_COMMANDS.get(title, ()):
            group.command(path, name=name, help=text, show=False)
        app.command(group)
    return app


def run() -> NoReturn:
    """Run the command that the arguments name, and exit."""
    output.guard()
    sys.exit(_written(sys.argv[1:]))


def _written(tokens: list[str]) -> int:
    """Run the command and have all of its output written; returns the exit code."""
    try:
        code = _exit_code(tokens)
        terminal.flush()
    except output.UnreadError:
        output.forget()
        return exit_codes.OUTPUT_CLOSED
    except output.UnwritableError as error:
        output.forget()
        terminal.say(str(error))
        return exit_codes.of_error(error)
    return code


def _exit_code(tokens: list[str]) -> int:
    try:
        return build_app()(with_current_session(tokens), exit_on_error=False, print_error=False) or exit_codes.OK
    except output.UnwritableError:
        raise
    except BackgroundJobError as error:
        terminal.fail(error, to_program=_wants_json(tokens))
        return exit_codes.of_error(error)
    except CycloptsError as error:
        terminal.fail(InvalidRequestError(_wrong_usage(error)), to_program=_wants_json(tokens))
        return exit_codes.USAGE
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED


def with_current_session(tokens: list[str]) -> list[str]:
    """Give a bare ``--session`` the value of the current one: cyclopts has no option that may go without one."""
    if tokens[:1] != ["comfyui"]:
        return tokens
    is_bare = [behind.startswith("-") for behind in [*tokens[1:], "-"]]
    return ["--session=" if word == "--session" and bare else word for word, bare in zip(tokens, is_bare, strict=True)]


def _wants_json(tokens: list[str]) -> bool:
    """Tell whether a program reads what is written, as far as can be told of a line that may be wrong."""
    ours = tokens[: tokens.index("--")] if "--" in tokens else tokens
    return "--json" in ours


def _wrong_usage(error: CycloptsError) -> str:
    import difflib  # noqa: PLC0415  only for a mistyped command

    if not isinstance(error, UnknownCommandError):
        is_for_command = isinstance(error, UnknownOptionError) and (error.command_chain or ("",))[0] == "run"
        hint = "; options of the command itself go behind --: run -- COMMAND" if is_for_command else ""
        return f"{error} (--help shows what can be given{hint})"
    # The text of this one would import every command.
    group = next(iter(error.command_chain or ()), "")
    commands = _GROUPS[group][2] if group in _GROUPS else _COMMANDS
    names = [name for name, _, _ in commands] + ([] if group in _GROUPS else [*_GROUPS])
    asked = (error.unused_tokens or [""])[0]
    near = difflib.get_close_matches(asked, names, 1)
    hint = f"do you mean {near[0]}?" if near else f"give one of {', '.join(names)}"
    return f"there is no command {asked!r}: {hint}"
