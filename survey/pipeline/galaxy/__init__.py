"""One galaxy, from its files to its committed part; `stages` tells the whole story."""
