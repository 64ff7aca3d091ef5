"""`python -m invdesign`: the same commands as the console script."""

import sys

from invdesign.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
