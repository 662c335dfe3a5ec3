"""What runs: pinned, and one release."""

from __future__ import annotations

from collections.abc import Iterator

from k8s.checks.manifests import Manifests, Object

#: Repositories of the images we build, by the last part of their name. They are released together.
OURS = ("hubbub-web", "hubbub-nginx")


def tag_of(image: str) -> str:
    """The tag, or the digest after the @; empty when the image has neither."""
    if "@" in image:
        return image.partition("@")[2]
    return image.rpartition("/")[2].partition(":")[2]


def repository(container: Object) -> str:
    """The last part of its image's name, without tag or digest."""
    return str(container["image"]).partition("@")[0].rpartition("/")[2].partition(":")[0]


def image_is_pinned(manifests: Manifests) -> Iterator[str]:
    """An image without a tag, or with one that moves by definition, makes every node's truth its own."""
    for workload in manifests.workloads():
        for container in workload.containers:
            if tag_of(container["image"]) in {"", "latest"}:
                yield f"{workload.ref}: container {container['name']}: image {container['image']} has no fixed tag"


def release_is_one(manifests: Manifests) -> Iterator[str]:
    """Our images carry one tag: the static files in nginx belong to the pages that web sends."""
    tags = {
        (workload.ref, tag_of(container["image"]))
        for workload in manifests.workloads()
        for container in workload.containers
        if repository(container) in OURS
    }
    if len({tag for _, tag in tags}) > 1:
        yield f"images of one release differ in their tag: {', '.join(f'{ref} {tag}' for ref, tag in sorted(tags))}"
