"""What the docs show, made from what runs: each scenario's resources, dashboards, cost and deployment in a sandbox."""
