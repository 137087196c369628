"""The databases: the index of jobs, and the journal of submissions to ComfyUI.

The index answers quickly which jobs there are. The truth about each job is in its directory, from which the index is
rebuilt. The journal is the only record of submissions: ComfyUI forgets its queue when it ends.
"""
