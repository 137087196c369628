"""What is heard of prompts while they run, passed on to whoever looks at them from another process."""
