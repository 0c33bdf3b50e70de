"""A provider stand-in for `aws` and `random`: real API calls to the sandbox's cloud, driven by a table of types."""
