"""Which groups of tools a server offers: each offered tool costs every conversation tokens."""
