"""Live recognition: films and cameras to a shelf that is kept up to date, and to the events on it."""
