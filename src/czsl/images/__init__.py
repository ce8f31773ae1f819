"""Images: where they come from, decoding, the store, and their random changes."""
