"""Faults that strike a migration from outside, and a suite that shows that none of them costs a write."""
