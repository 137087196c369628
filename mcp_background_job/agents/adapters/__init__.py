"""One file per agent: how it is started, and what its lines mean. docs/guides/new-adapter.md has an example."""
