"""The network of the autoencoder: its layers, its training, and the latents that suit it best.

These modules need torch, and are imported only when a network is used.
"""
