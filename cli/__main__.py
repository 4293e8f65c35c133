"""`python -m cli` is `compress`, for machines where the program is not installed."""

from cli.app import main

main()
