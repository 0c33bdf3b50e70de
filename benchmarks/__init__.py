"""How fast it is, each beside a peer or the limit. Every module prints one JSON object: `python -m benchmarks.NAME`."""
