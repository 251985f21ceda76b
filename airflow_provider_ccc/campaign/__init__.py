"""Resolves the callees of a whole campaign in one task: source, runner and parts."""
