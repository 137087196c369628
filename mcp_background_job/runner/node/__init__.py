"""The runner on a node of a cluster: an engine starts it there, once, and ends it.

It does not detach, since the engine accounts for it and ends it. It takes no lock, since shared file systems may have
none. It launches no other runners, since those would belong to another machine.
"""
