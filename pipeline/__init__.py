"""The commands around the warehouse: load raw files, publish what passed, tell about it."""
