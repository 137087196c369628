"""Facts about live processes, and the signals that do not go through a runner. psutil lives here."""
