"""`python -m agent.cli` is `limner`."""

import sys

from agent.cli import main

sys.exit(main())
