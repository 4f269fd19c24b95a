"""Verbs of deployment: build images, deploy them, and verify the cluster."""

import argparse

from .verb import IMAGE_NAME, image_name, option, verb

ENVIRONMENT = option("--environment", choices=["staging", "production"], required=True)
IMAGES = option(
    "--images", required=True, help="e.g. registry.example.org/team/name@sha256:…, one or more"
)


@verb("deploy", ENVIRONMENT, IMAGES)
def deploy(args: argparse.Namespace) -> int:
    """Deploy images to the Kubernetes cluster of kubectl, by digest."""
    from ..ops.deploy import deploy_images as run
    from ..ops.deploy import parse_images

    run(
        args.environment,
        parse_images(args.images),
        args.project.settings().state_dir / "deploy" / args.environment,
    )
    return 0


@verb("verify-deploy", ENVIRONMENT, IMAGES)
def verify_deploy(args: argparse.Namespace) -> int:
    """Check that the cluster runs exactly these images."""
    from ..ops.deploy import parse_images
    from ..ops.deploy import verify_images as run
    from ..training.evidence_store import digests
    from ..training.registry import Registry
    from .evidence import save_evidence

    settings = args.project.settings()
    result = run(args.environment, parse_images(args.images), digests(settings))
    # From now on a promotion changes the version that serves there.
    Registry(settings).mark_environment(args.environment)
    return save_evidence(settings, result)


@verb(
    "image",
    IMAGE_NAME,
    option("--base", default="", help="base image, by digest: python@sha256:..."),
)
def image(args: argparse.Namespace) -> int:
    """Build the images NAME:serve and NAME:pipeline with docker, podman or buildah."""
    from ..ops.images import build_images

    print("\n".join(build_images(image_name(args), args.base)))
    return 0
