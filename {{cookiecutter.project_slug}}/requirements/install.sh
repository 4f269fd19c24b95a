# Installs a lock into /opt/venv, or the library into /opt/mlprod, as an image wants it: hashes checked, nothing compiled
# from source, and bytecode that no clock can make stale. The Dockerfile may hand over pip's configuration and a CA bundle.
set -eu
if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi
export PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 # a pip.conf of a workstation may say otherwise
unset PIP_TARGET PIP_PREFIX PIP_ROOT
install() {
  python3 -m pip "$@" --quiet --disable-pip-version-check --no-compile --only-binary :all: --require-hashes
}
if [ "$1" = library ]; then
  near=''
  if grep -q -e --find-links /requirements/mlprod.txt; then near=--no-index; fi
  install install --no-deps $near --target /opt/mlprod -r /requirements/mlprod.txt
  chmod -R u=rwX,go=rX /opt/mlprod
  python3 -m compileall -q --invalidation-mode unchecked-hash /opt/mlprod
  exit
fi
python3 -m venv --without-pip /opt/venv
install --python /opt/venv/bin/python3 install -r "$1"
find /opt/venv/lib -type d -name tests -prune -exec rm -r {} + # the packages' own
python3 -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib
