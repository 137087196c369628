"""The measurements. Each of them checks that it has measured what it claims."""
