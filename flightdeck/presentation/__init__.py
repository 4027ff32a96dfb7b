"""A verdict for those who read it: terminals, pull requests, test reports. Needs the light install only."""
