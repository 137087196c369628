"""The use cases, each once: its request, its work, its report. Servers and command lines carry them.

A carrier makes a ``Caller``, translates what it is given into a request, calls the action, and shows the report. It
decides nothing: a tool, a command and a page that do the same thing call the same action.
"""
