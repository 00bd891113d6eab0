"""Builds the card's image: each module is one step or one thing that the steps share."""
