"""Networks and losses: pure functions of tensors, and the layers that hold parameters."""
