"""`python -m carrara`."""

from .cli import main

main()
