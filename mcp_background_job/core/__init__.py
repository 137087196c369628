"""The rules: values and pure functions. No I/O, no clock, standard library only."""
