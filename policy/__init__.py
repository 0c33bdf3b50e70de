"""The policy pack: rules named after the controls they stand for, and rules of the mission."""
