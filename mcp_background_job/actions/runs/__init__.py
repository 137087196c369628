"""Handing work to other coding agents, and keeping control of them."""
