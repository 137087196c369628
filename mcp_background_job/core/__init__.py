"""The rules: values and pure functions, standard library only.

Two sentences that say how long ago something was read the clock, and ``text`` resolves paths. Nothing else does I/O.
"""
