"""Clients' own configuration files: this server is put into them and taken out again, and nothing else changes."""
