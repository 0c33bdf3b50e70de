"""How long nobody can write: the product's switchovers beside the databases alone, and beside the plain way."""
