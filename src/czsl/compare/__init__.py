"""Arms side by side, scored on the same objects, with intervals."""
