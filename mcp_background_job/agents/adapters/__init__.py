"""The adapters: a module per agent, which starts it and parses its lines. docs/guides/new-adapter.md has an example."""
