# The images that `make image` built and the lists that `make sbom` made, as files for the job that publishes them.
# $1: name of the images, before the colon.
set -eu
mkdir -p var/images
for each in serve:serving pipeline:pipeline; do # target of the Dockerfile: name in the manifests
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
