"""Reads logs for who looks on: line by line, from any place in either direction, and searches them."""
