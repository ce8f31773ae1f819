"""Tables, votes, experts' classes, tiers and folds."""
