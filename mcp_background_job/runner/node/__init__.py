"""The runner on a node of a cluster: what an engine starts there, once, and ends.

It does not detach, since the engine accounts for it and ends it; it takes no lock, since shared file systems may have
none; and it launches nobody else, since those would be of another machine.
"""
