"""The commands that put this server where it is used."""
