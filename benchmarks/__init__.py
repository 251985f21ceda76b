"""What the provider costs, next to what else could do its work: ``make bench``, or ``python -m benchmarks``."""
