#!/bin/sh
# Starts ocmesh in the background, once the program is there. Installs no program itself and fetches nothing.
#
#   sh install.sh            say whether ocmesh is there, and how to get it
#   sh install.sh --service  also run "ocmesh service install": a background daemon, started at every login
#
# To stop the daemon: ocmesh service stop. To remove it: ocmesh service uninstall
set -eu

found=$(command -v ocmesh || true)
if [ -z "$found" ] && [ -x "$HOME/.local/bin/ocmesh" ]; then
    found=$HOME/.local/bin/ocmesh
fi
if [ -z "$found" ]; then
    cat <<'END'
ocmesh is not installed. Choose one:
  brew install ocmesh/tap/ocmesh
  uv tool install ocmesh
  from a checkout of https://github.com/ocmesh/ocmesh: sh scripts/install.sh
END
    exit 1
fi
echo "ocmesh is at $found ($("$found" --version))"

case ${1:-} in
    '') echo "To run it in the background from now on: $found service install" ;;
    --service) exec "$found" service install ;;
    *)
        echo "usage: install.sh [--service]" >&2
        exit 2
        ;;
esac
