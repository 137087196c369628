"""The output of a program, as a terminal and an answer show it."""
