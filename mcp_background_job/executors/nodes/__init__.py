"""What places whose jobs run on other machines have in common, whatever engine starts them there."""
