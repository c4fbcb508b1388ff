"""Benchmarks of the tap against a plain tap and two bare scripts, at the machine's limit and at Gong's."""
