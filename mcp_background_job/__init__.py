"""mcp-background-job: run work in the background, watch it, wait for it, and stop it with all that it started.

The map of the house, from the street to the cellar; a room imports only rooms below it, never sideways:

* ``__main__``   ``python -m mcp_background_job``
* ``cli``        way in: the command line (rich lives here)
* ``server``     way in: MCP over stdio and HTTP (fastmcp lives here)
* ``web``        way in: the page, static files and their carriers (starlette and uvicorn live here)
* ``actions``    the use cases, each once, which the ways in carry
* ``app``        puts the parts together
* ``config``     settings, read from the environment
* ``comfyui``    control of a ComfyUI: its prompts, and its process, whoever started it
* ``agents``     runs of other coding agents: their events, questions and ends
* ``install``    this server in the configuration files of clients, and the files for hosts of plugins
* ``jobs``       control of jobs: start, tail, wait, interact, kill, restart, list, prune
* ``executors``  where jobs run, and what keeps their files: places (this machine, Slurm, Ray) and stores
* ``processes``  facts about live processes (psutil lives here)
* ``jobdir``     the disk contract: the files of a job and how to read them; standard library only
* ``registry``   the index of jobs, the journal of ComfyUI submissions (sqlite3 lives here)
* ``core``       the rules: values and pure functions; standard library only
* ``errors``     every exception, each with a stable code

``runner`` stands apart: one small process per job, launched and never imported, on the standard library, ``core`` and
``jobdir`` alone.
"""

__version__ = "1.1.0.dev0"
