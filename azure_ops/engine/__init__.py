"""The engine: the process that holds watcher, planner and runner. Consoles reach it by `azure_ops.client`."""
