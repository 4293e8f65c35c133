"""The whole route in about a minute on embedded data: a small residual network on scikit-learn's digits."""

from compressor.demo.route import Demo, demo, train_digits

__all__ = ["Demo", "demo", "train_digits"]
