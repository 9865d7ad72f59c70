"""Demo data and data at scale with a planted, known truth."""
