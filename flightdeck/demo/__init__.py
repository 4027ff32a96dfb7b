"""The demo: a scripted model provider, a real agent in three releases, and the verdict on two of them."""
