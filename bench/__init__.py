"""Benchmarks: ratios measured in one run, against the floor and, where one is named, against a peer."""
