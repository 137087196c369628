"""What is kept in databases: the index of jobs, and the journal of what was submitted to ComfyUI.

The index answers "which" quickly; the truth about each job is in its directory, and rebuilds it. The journal is itself
the truth: ComfyUI forgets its queue when it ends, and nobody else remembers it.
"""
