"""The commands of the group ``hook``, which clients run by themselves."""
