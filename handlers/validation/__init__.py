"""Whether two databases hold the same rows: both servers hash, and only what differs is looked into."""
