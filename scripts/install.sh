#!/bin/sh
# Installs ocmesh for this user: builds it from this checkout, or takes a binary whose checksum you give. Fetches nothing itself.
set -eu

usage() {
    cat <<'END'
Usage: scripts/install.sh [options]

Builds ocmesh with cargo from this checkout, puts it on the PATH and installs the background service.

  --binary FILE     take this binary instead of building
  --sha256 HEX      its SHA-256 checksum (needed with --binary)
  --prefix DIR      install into DIR/bin (default: ~/.local)
  --no-service      do not install the background service
  --skill           copy the agent skill into ~/.openclaw/skills
  --uninstall       remove the service, the binary and the skill; keep identity and messages
  --purge           with --uninstall: remove identity and messages too, after asking
  --dry-run         only print what would be done
  -h, --help        this text

Running it again updates what is there.
END
}

say() { printf '%s\n' "$*"; }

# fail WHAT TO_DO
fail() {
    printf 'error: %s\n  try: %s\n' "$1" "$2" >&2
    exit "${3:-1}"
}

# run PROGRAM ARGUMENTS...
run() {
    if [ "$dry_run" = yes ]; then
        say "would run: $*"
    else
        "$@"
    fi
}

binary='' sha256='' prefix='' service=yes skill=no uninstall=no purge=no dry_run=no
while [ $# -gt 0 ]; do
    case $1 in
        --binary | --sha256 | --prefix)
            [ $# -ge 2 ] || fail "$1 needs a value" "scripts/install.sh --help" 2
            case $1 in
                --binary) binary=$2 ;;
                --sha256) sha256=$2 ;;
                --prefix) prefix=$2 ;;
            esac
            shift
            ;;
        --no-service) service=no ;;
        --skill) skill=yes ;;
        --uninstall) uninstall=yes ;;
        --purge) purge=yes ;;
        --dry-run) dry_run=yes ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) fail "unknown option $1" "scripts/install.sh --help" 2 ;;
    esac
    shift
done

[ -n "${HOME:-}" ] || fail "HOME is not set" "HOME=/home/you scripts/install.sh"
[ -n "$prefix" ] || prefix=$HOME/.local
case $prefix in
    /*) ;;
    *) prefix=$PWD/$prefix ;;
esac
checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
target=$prefix/bin/ocmesh
skill_target=$HOME/.openclaw/skills/ocmesh
data=${OCMESH_HOME:-$HOME/.ocmesh}

checksum() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum <"$1" | cut -d ' ' -f 1
    elif command -v shasum >/dev/null 2>&1; then
        shasum -a 256 <"$1" | cut -d ' ' -f 1
    else
        fail "neither sha256sum nor shasum is here to verify the binary" "install coreutils"
    fi
}

remove_all() {
    if [ -x "$target" ]; then
        # A system without a service manager has no service to remove.
        run "$target" service uninstall || say "The service could not be removed; see above."
        run rm -f -- "$target"
    else
        say "There is no $target."
    fi
    if [ -f "$skill_target/SKILL.md" ]; then
        run rm -f -- "$skill_target/SKILL.md" "$skill_target/references/api.md" "$skill_target/scripts/install.sh"
        run rmdir -- "$skill_target/references" "$skill_target/scripts" "$skill_target" || say "Your own files in $skill_target stay."
    fi
    if [ ! -d "$data" ]; then
        say "ocmesh is removed."
    elif [ "$purge" = no ]; then
        say "ocmesh is removed. Identity and messages stay in $data"
    else
        purge_data
    fi
}

# Removes only a directory that is an ocmesh home, and only when a person has written its path back.
purge_data() {
    [ -f "$data/ocmesh.db" ] || [ -f "$data/identity.backup" ] || fail "$data is not an ocmesh home" "remove it by hand if you are sure"
    if [ "$dry_run" = yes ]; then
        say "would ask, then remove $data"
        return
    fi
    say "This removes the identity and every message in $data for ever."
    printf 'Type that path to go on: '
    read -r answer || answer=''
    [ "$answer" = "$data" ] || fail "nothing more was removed" "scripts/install.sh --uninstall --purge"
    rm -rf -- "$data"
    say "ocmesh and its data are removed."
}

install_binary() {
    if [ -n "$binary" ]; then
        [ -f "$binary" ] || fail "there is no file $binary" "give the path of the binary you downloaded or built"
        [ -n "$sha256" ] || fail "--binary needs --sha256" "take the checksum from the release page, and compare: sha256sum $binary" 2
        found=$(checksum "$binary")
        wanted=$(printf '%s' "$sha256" | tr 'A-F' 'a-f')
        [ "$found" = "$wanted" ] || fail "the checksum of $binary is $found, not $wanted" "download it again; do not run this file"
        source=$binary
    else
        command -v cargo >/dev/null 2>&1 || fail "cargo is not here to build ocmesh" "install Rust (https://rustup.rs), or give a binary: --binary FILE --sha256 HEX"
        say "Building ocmesh; this takes some minutes the first time."
        run cargo build --release --locked --package ocmesh --manifest-path "$checkout/Cargo.toml"
        source=${CARGO_TARGET_DIR:-$checkout/target}/release/ocmesh
    fi
    run mkdir -p -- "$prefix/bin"
    # Beside, then renamed: a running daemon keeps its old file until it is restarted.
    run cp -- "$source" "$target.new"
    run chmod 755 "$target.new"
    run mv -f -- "$target.new" "$target"
    say "Installed: $target"
}

install_skill() {
    run mkdir -p -- "$skill_target/references" "$skill_target/scripts"
    for file in SKILL.md references/api.md scripts/install.sh; do
        run cp -- "$checkout/skill/ocmesh/$file" "$skill_target/$file"
    done
    say "Installed the skill: $skill_target"
}

path_hint() {
    case ":${PATH:-}:" in
        *":$prefix/bin:"*) ;;
        *) say "Put it on the PATH: add this line to your shell's profile: export PATH=\"$prefix/bin:\$PATH\"" ;;
    esac
}

if [ "$uninstall" = yes ]; then
    remove_all
    exit 0
fi
[ "$purge" = no ] || fail "--purge goes with --uninstall" "scripts/install.sh --uninstall --purge" 2

install_binary
[ "$skill" = no ] || install_skill
if [ "$service" = yes ]; then
    run "$target" service install || fail "ocmesh is installed, but its service is not" "see above; or run it in a terminal: $target daemon"
fi
path_hint
