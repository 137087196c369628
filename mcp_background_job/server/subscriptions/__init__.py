"""Notifies clients of changes of the things that they follow. A follower costs little; no follower costs nothing.

``Board`` has one task for each thing that is followed, whoever follows it. What it notices goes into the ``Outbox`` of
each follower, which holds one notice of each thing at most; so a client that does not read holds up nobody.
"""
