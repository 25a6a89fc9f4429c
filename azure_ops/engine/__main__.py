"""`python -m azure_ops.engine`."""

import sys

from .process import main

sys.exit(main())
