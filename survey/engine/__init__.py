"""The only package that imports distributed.

It opens clusters, submits tasks and watches workers.
"""
