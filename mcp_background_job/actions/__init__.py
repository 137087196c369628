"""The use cases, each once: its request, its work, its report. The carriers (servers, command line, pages) call them.

A carrier makes a ``Caller``, turns its input into a request, calls the action, and shows the report. It decides
nothing: a tool, a command and a page for the same thing call the same action.
"""
