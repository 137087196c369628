"""The runner: one small process per job, the job's true parent and subreaper.

It spawns the command, moves its output to the log, answers requests on its socket, keeps the time limit, climbs the
stop ladder, reaps, and writes the exit record. It needs no server for any of that, and is out of reach of whoever
launched it. Launched, never imported: ``__main__`` starts one runner by exec, ``spawner`` forks them from a warm
interpreter.
"""
