"""The shared parts of places whose jobs run on other machines, whichever engine starts them there."""
