"""From what volunteers said to the numbers that stages learn from."""
