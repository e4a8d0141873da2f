"""The whole cube of a target: from all its files, and from its store on the full grid."""
