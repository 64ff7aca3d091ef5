"""`python -m invdesign`: the same door as the console script."""

import sys

from invdesign.cli import main

if __name__ == "__main__":
    sys.exit(main())
