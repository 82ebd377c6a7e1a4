"""kube_accepted.py - what may differ between Traefik and weir for the same Kubernetes objects, each with its reason.

The reasons are those of docs/differences.md. Not here: how the two are asked (compare_kube.py).
"""


def accepted(difference, traefik, weir, profile):
    """The reason why a difference is on purpose; None: it is not."""
    return None
