"""What people look at: pages of one file that need no network, and their plots."""
