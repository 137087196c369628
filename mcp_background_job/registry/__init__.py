"""The databases: the index of jobs, and the journal of submissions to ComfyUI.

The index answers "which" quickly; the truth about each job is in its directory, and rebuilds it. The journal is the
only record: ComfyUI forgets its queue when it ends.
"""
