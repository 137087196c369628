"""The commands about batches of prompts."""
