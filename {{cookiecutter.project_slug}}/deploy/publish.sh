# Pushes the images of var/images to $REGISTRY, signs each without a key, and attests how it was built and of what.
# Called by `make publish` in a workflow, which says where they come from: $SOURCE (URL), $REVISION (commit), $RUN (URL), $BUILDER (URL).
# Runs nothing of the project. Needs skopeo, cosign and jq, logged in to the registry.
set -eu
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
