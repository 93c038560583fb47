"""What is run on the project itself: it is neither deployed nor part of the local world."""
