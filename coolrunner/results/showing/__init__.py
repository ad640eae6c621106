"""Results as people and other programs want to see them."""
