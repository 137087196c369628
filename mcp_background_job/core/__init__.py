"""The rules of the house: values and pure functions. No I/O, no clock, standard library only."""
