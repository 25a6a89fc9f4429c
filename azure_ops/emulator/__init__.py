"""An Azure Resource Manager of our own: a separate process that the unmodified SDKs and `az` talk to.

Shares no code with the rest of `azure_ops`: an emulator that shares code with its client cannot disagree with it.
"""
