"""Messages that agents leave for one another, and who there is to write to."""
