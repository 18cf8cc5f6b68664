"""`nta watch`."""
