"""Chunks of playlists, from whichever host gives them."""
