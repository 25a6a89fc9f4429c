"""The one version of console and engine, which only talk to their equals.

Written here and not asked of the package's metadata: that import takes 20 ms of every start. A test compares
it with that.
"""

VERSION = "0.1.0"
