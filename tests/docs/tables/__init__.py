"""Tables of the documents that follow from the code: ``make docs-tables`` writes them, a test fails at a stale one."""
