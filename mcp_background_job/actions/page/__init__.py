"""The actions that only pages use. A page's looks move no cursor of a model, and mark no news as told."""
