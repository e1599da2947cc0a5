"""The Listen screen: live sound and its predictions."""
