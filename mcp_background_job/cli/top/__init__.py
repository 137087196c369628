"""``top``: jobs, renders and runs, live, on the whole of a terminal. The only door to Textual."""
