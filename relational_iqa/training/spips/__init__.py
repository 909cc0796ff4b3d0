"""SPIPS: trained without labels, on triplets or on mean opinion scores."""
