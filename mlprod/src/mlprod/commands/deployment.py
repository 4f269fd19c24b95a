"""Verbs that bring the project to a cluster: images, and what runs there."""

import argparse


def deploy(args: argparse.Namespace) -> int:
    """put the images of --images, named by digest, onto the cluster of kubectl: --environment staging"""
    from ..ops.deploy import deploy as run
    from ..ops.deploy import images

    run(args.environment, images(args.images), args.project.settings().state_dir / "deploy" / args.environment)
    return 0


def deployed(args: argparse.Namespace) -> int:
    """ask the cluster whether what runs there are the images of --images, digest by digest"""
    from ..ops.deploy import deployed as run
    from ..ops.deploy import images
    from ..training.evidence_store import digests
    from ..training.registry import Registry
    from .evidence import save_evidence

    settings = args.project.settings()
    found = run(args.environment, images(args.images), digests(settings))
    Registry(settings).mark_environment(args.environment)  # from now on a promotion moves what serves there
    return save_evidence(settings, found)


def image(args: argparse.Namespace) -> int:
    """build the images NAME:serve and NAME:pipeline, with docker, podman or buildah; [--name NAME] [--base IMAGE]"""
    from ..ops.images import build

    print("\n".join(build(args.name, args.base)))
    return 0
