"""One file per agent: how it is started, and what its lines mean."""
