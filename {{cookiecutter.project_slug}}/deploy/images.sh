# Passes the built images to the job that publishes them: sh deploy/images.sh archive NAME, then
# sh deploy/images.sh publish.
set -eu

# Writes the images of `make image` and the lists of `make sbom` into files.
# $1: name of the images, before the colon.
archive() {
  mkdir -p var/images
  # target of the Dockerfile:name in the manifests
  for each in serve:serving pipeline:pipeline; do
    image="$1:${each%:*}" file="var/images/${each#*:}.tar"
    cp "var/sbom/${each%:*}.cdx.json" "var/images/${each#*:}.cdx.json"
    rm -f "$file"
    if docker image inspect "$image" >/dev/null 2>&1; then
      docker save --output "$file" "$image"
    elif command -v podman >/dev/null; then
      podman save --quiet --format docker-archive --output "$file" "$image"
    else
      buildah push --quiet "$image" "docker-archive:$file"
    fi
  done
}

# Pushes the images of var/images to $REGISTRY, signs each without a key, and attests its build and
# its packages.
# A workflow calls it with `make publish`, and sets their origin: $SOURCE (URL), $REVISION (commit),
# $RUN (URL), $BUILDER (URL).
# It runs none of the project's code. It needs skopeo, cosign and jq, logged in to the registry.
publish() {
  mkdir -p var/published
  jq -n '{
    buildDefinition: {
      buildType: (env.SOURCE + "#make-image"),
      externalParameters: {source: env.SOURCE, revision: env.REVISION},
      resolvedDependencies: [{uri: ("git+" + env.SOURCE), digest: {gitCommit: env.REVISION}}]
    },
    runDetails: {builder: {id: env.BUILDER}, metadata: {invocationId: env.RUN}}
  }' >var/published/provenance.json
  published=
  for archive in var/images/*.tar; do
    name=$(basename "$archive" .tar)
    skopeo copy --digestfile var/published/digest "docker-archive:$archive" "docker://$REGISTRY/$name:$REVISION"
    image="$REGISTRY/$name@$(cat var/published/digest)"
    cosign sign --yes "$image"
    cosign attest --yes --type slsaprovenance1 --predicate var/published/provenance.json "$image"
    cosign attest --yes --type cyclonedx --predicate "var/images/$name.cdx.json" "$image"
    published="$published $image"
  done
  echo "IMAGES=${published# }" | tee var/published/images.env
}

case ${1-} in
archive | publish) "$@" ;;
*) echo "usage: sh deploy/images.sh archive NAME, or: sh deploy/images.sh publish" >&2 && exit 2 ;;
esac
