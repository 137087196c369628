"""The measurements. Each checks that it has measured what it says."""
