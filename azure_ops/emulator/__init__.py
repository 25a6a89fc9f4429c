"""An Azure Resource Manager of our own: a separate process that the unmodified SDKs and `az` talk to.

Shares no code with the rest of `azure_ops`: if it did, it could never disagree with its client.
"""
