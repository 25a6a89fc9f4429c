"""`python -m azure_ops.journal`."""

import sys

from .cli import main

sys.exit(main())
