"""One file per command. Heavy imports stand inside `run`, so that `compress --help` is instant."""
