"""Passes on reports about running prompts to other processes that watch them."""
