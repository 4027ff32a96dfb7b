"""Diffs and verdicts for those who read them: terminals, pull requests, test reports. Needs the light install only."""
