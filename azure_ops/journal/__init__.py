"""The journal: what was intended, sent and became of it. The engine writes it (`store.py`)."""
