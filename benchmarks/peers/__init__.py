"""Side by side with what somebody would pick instead: scripts as each peer's documentation writes them, measured."""
