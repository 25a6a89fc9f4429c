"""Resource Graph: the query language (`syntax`, `expressions`, `pipeline`) over the world's `tables`."""
