"""Adds this server to the configuration files of clients, and removes it; nothing else in them changes."""
