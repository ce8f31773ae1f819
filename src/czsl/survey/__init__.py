"""A whole survey, streamed through a model."""
