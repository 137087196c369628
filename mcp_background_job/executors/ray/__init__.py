"""The place ``ray``: jobs on nodes of a Ray cluster, over Ray's REST API and a port per job; no shared files."""
