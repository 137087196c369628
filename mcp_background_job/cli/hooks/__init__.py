"""What clients run by themselves: hooks at the end of a turn, and monitors."""
