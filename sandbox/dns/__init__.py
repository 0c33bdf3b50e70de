"""DNS on loopback: Route 53's records by weight and time to live, and the loopback addresses that host names encode."""
