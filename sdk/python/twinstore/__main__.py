"""`python -m twinstore` is the command."""

import sys

from twinstore._store import command

sys.exit(command())
