"""One model for many clients: requests in batches."""
