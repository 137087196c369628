"""Waiting for jobs: one watcher for each, one scan for each pattern, whoever waits."""
