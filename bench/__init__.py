"""Benchmarks: ratios that one run measures, against a floor server or, if one is named, against a peer."""
