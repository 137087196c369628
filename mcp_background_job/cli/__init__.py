"""The command line. rich lives here."""
