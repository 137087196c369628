"""What only pages look at. A page's looks move no model's memory, and mark no news as told."""
