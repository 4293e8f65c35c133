"""What a user of each peer writes. Nothing of `compressor` is used, except to open our own slim checkpoint."""
