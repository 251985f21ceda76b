"""Resolves the callees of a whole campaign in one task; campaign.py runs one, and docs/design.md shows the rooms."""
