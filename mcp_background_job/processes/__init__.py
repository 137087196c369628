"""Facts about live processes, and the one signal that does not go through a runner. psutil lives here."""
