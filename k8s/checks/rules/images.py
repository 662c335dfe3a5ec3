"""Images: pinned, and of one release."""

from __future__ import annotations

from collections.abc import Iterator

from k8s.checks.manifests import Manifests, Object

# Repositories of our images, by the last part of their name. They are released together.
OURS = ("hubbub-web", "hubbub-nginx")


def tag_of(image: str) -> str:
    """Return the tag, or the digest after the @; empty without either."""
    if "@" in image:
        return image.partition("@")[2]
    return image.rpartition("/")[2].partition(":")[2]


def repository(container: Object) -> str:
    """Return the last part of the image's name, without tag or digest."""
    return str(container["image"]).partition("@")[0].rpartition("/")[2].partition(":")[0]


def image_is_pinned(manifests: Manifests) -> Iterator[str]:
    """Require fixed tags.

    Without one, or with a moving tag, nodes may run different images.
    """
    for workload in manifests.workloads():
        for container in workload.containers:
            if tag_of(container["image"]) in {"", "latest"}:
                yield f"{workload.ref}: container {container['name']}: image {container['image']} has no fixed tag"


def release_is_one(manifests: Manifests) -> Iterator[str]:
    """Require one tag for our images: nginx's static files belong to web's pages."""
    tags = {
        (workload.ref, tag_of(container["image"]))
        for workload in manifests.workloads()
        for container in workload.containers
        if repository(container) in OURS
    }
    if len({tag for _, tag in tags}) > 1:
        yield f"images of one release differ in their tag: {', '.join(f'{ref} {tag}' for ref, tag in sorted(tags))}"
