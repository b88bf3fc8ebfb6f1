"""The generations of a host's environments, the links that publish them, and the in-use locks beside them."""
