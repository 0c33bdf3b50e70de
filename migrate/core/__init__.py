"""What the operator's command decides, apart from databases and programs."""
