"""A stack of convolutional networks, as grouped convolutions."""
