"""Benchmarks: every figure beside its baseline, measured in the same run. Run: make bench."""
