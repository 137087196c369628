"""The graph to submit: its source, and the changes in it. Pure, except for reading files."""
