"""Learn from experts, volunteers and unlabelled images at once."""
