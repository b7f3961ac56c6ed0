"""Lets ``python -m mibench`` do what ``mibench`` does."""

from mibench.cli import main

if __name__ == "__main__":
    main()
