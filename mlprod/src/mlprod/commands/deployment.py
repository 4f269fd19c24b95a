"""Verbs that bring the project to a cluster: images, and what runs there."""

import argparse

from .verb import IMAGE_NAME, image_name, option, verb

ENVIRONMENT = option("--environment", choices=["staging", "production"], required=True)
IMAGES = option(
    "--images", required=True, help="e.g. registry.example.org/team/name@sha256:…, one or more"
)


@verb("deploy", ENVIRONMENT, IMAGES)
def deploy(args: argparse.Namespace) -> int:
    """Deploy images to the Kubernetes cluster of kubectl, by digest."""
    from ..ops.deploy import deploy as run
    from ..ops.deploy import images

    run(
        args.environment,
        images(args.images),
        args.project.settings().state_dir / "deploy" / args.environment,
    )
    return 0


@verb("verify-deploy", ENVIRONMENT, IMAGES)
def verify_deploy(args: argparse.Namespace) -> int:
    """Check that the cluster runs exactly these images."""
    from ..ops.deploy import deployed as run
    from ..ops.deploy import images
    from ..training.evidence_store import digests
    from ..training.registry import Registry
    from .evidence import save_evidence

    settings = args.project.settings()
    result = run(args.environment, images(args.images), digests(settings))
    Registry(settings).mark_environment(
        args.environment
    )  # from now on a promotion moves what serves there
    return save_evidence(settings, result)


@verb(
    "image",
    IMAGE_NAME,
    option("--base", default="", help="base image, by digest: python@sha256:..."),
)
def image(args: argparse.Namespace) -> int:
    """Build the images NAME:serve and NAME:pipeline with docker, podman or buildah."""
    from ..ops.images import build

    print("\n".join(build(image_name(args), args.base)))
    return 0
