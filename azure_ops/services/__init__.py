"""Azure's services: SDK in, model out. The only place where SDK clients are made; no policy, no wording."""
