"""The kinds of things the world is made of: one module per provider family, facts only."""
