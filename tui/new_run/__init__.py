"""The New run screen: form, dataset summary, demo data."""
