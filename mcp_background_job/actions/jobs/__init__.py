"""Actions on jobs: start, look, wait, talk, stop."""
