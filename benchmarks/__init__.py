"""Measurements, never tests: run them by hand or with `make bench`."""
