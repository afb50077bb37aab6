#!/bin/bash
# Run ./rugo test in a Debian that has nothing: a new minimal system (debootstrap --variant=minbase), a clean clone
# of HEAD in it, and ./rugo left to install whatever it needs. The check that a used machine cannot give.
#
#   tools/fresh.sh [pytest arguments]          as root; needs git and debootstrap; some 4 GB in $TMPDIR or /var/tmp
#
# Packages come from where this system takes its own: the mirror, proxies and certificates are read from it at run
# time. All mounts and processes live in namespaces of their own and are gone whenever this script is.
# Exit status: that of ./rugo test; 2 when the new system could not be made.
set -eu
PATH=$PATH:/usr/sbin:/sbin

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
suite=bookworm
bundle=/etc/ssl/certs/ca-certificates.crt

say() { printf 'fresh: %s\n' "$*" >&2; }
die() { say "$*"; exit 2; }

# This system's own Debian sources of the suite, one line each: URI, suite.
debian_sources()
{
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk -v suite="$suite" '$3 == "main" && ($2 == suite || index($2, suite "-") == 1) { print $1, $2 }' | sort -u
}

# On a terminal debootstrap's many lines overwrite each other; elsewhere only every hundredth is shown.
show_progress()
{
    local n=0 line
    while IFS= read -r line; do
        n=$((n + 1))
        if [ -t 2 ]; then
            printf '\r\033[K[%d] %.100s' "$n" "$line" >&2
        elif [ $((n % 100)) = 0 ]; then
            printf '[%d] %s\n' "$n" "$line" >&2
        fi
    done
    [ ! -t 2 ] || printf '\r\033[K' >&2
}

make_system()
{
    local sources mirror proxy
    [ -n "$(debian_sources)" ] || apt-get -qq update || die "apt-get update failed"
    sources=$(debian_sources)
    mirror=$(awk -v suite="$suite" '$2 == suite { print $1; exit }' <<<"$sources")
    [ -n "$mirror" ] || die "this system's apt has no source for Debian $suite"

    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    [ -z "${proxy-}" ] || export http_proxy=$proxy https_proxy=$proxy
    debootstrap --variant=minbase "$suite" "$system" "$mirror" 2>&1 | tee "$system.log" | show_progress
    [ "${PIPESTATUS[0]}" = 0 ] || die "debootstrap failed: $(tail -n 3 "$system.log")"

    sed 's/^\(.*\) \(.*\)$/deb \1 \2 main/' <<<"$sources" >"$system/etc/apt/sources.list"
}

# What the new system needs to reach the packages as this one does, and nothing that would spare it an installation.
copy_settings()
{
    cp /etc/resolv.conf /etc/hosts "$system/etc/"
    apt-config dump | grep -E '^Acquire::(.*Proxy|Check-|Retries|.*Timeout|https::(Verify|CaInfo))' \
        >"$system/etc/apt/apt.conf.d/90host" || true
    [ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$system/etc/"
    if [ -f "$bundle" ]; then
        cp "$bundle" "$system/etc/host-certificates.crt"
        echo 'Acquire::https::CaInfo "/etc/host-certificates.crt";' >>"$system/etc/apt/apt.conf.d/90host"
    fi
}

clone_tree()
{
    [ -z "$(git -C "$root" status --porcelain)" ] || say "note: what is not committed is not tested"
    git -c safe.directory='*' clone -q --no-hardlinks "$root" "$system/rugo"
}

mount_system()
{
    mount -t proc proc "$system/proc"
    mount --rbind /sys "$system/sys"
    mount --rbind /dev "$system/dev"
}

# The environment inside: empty but for the ways to the packages.
run_tests()
{
    local settings=() name
    for name in $(compgen -e | grep -Ei '^(.*_proxy|PIP_.*|GOPROXY|GOSUMDB|GONOSUMDB|GOFLAGS)$'); do
        case ${!name} in /*) continue ;; esac   # a folder of this system, which the new one does not have
        settings+=("$name=${!name}")
    done
    if [ -f "$system/etc/host-certificates.crt" ]; then
        settings+=(PIP_CERT=/etc/host-certificates.crt SSL_CERT_FILE=/etc/host-certificates.crt)
    fi
    env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM="${TERM-dumb}" CI="${CI-}" \
        "${settings[@]}" chroot "$system" sh -c 'cd /rugo && exec ./rugo test "$@"' sh "$@"
}

# The inner half, in its own namespaces: unshare has started this script again.
if [ "${1-}" = --inside ]; then
    system=$2
    shift 2
    say "1/3 making a minimal Debian $suite in $system"
    make_system
    say "2/3 cloning HEAD ($(git -C "$root" log -1 --format='%h %s')) into it"
    copy_settings
    clone_tree
    mount_system
    say "3/3 ./rugo test in it"
    run_tests "$@"
    exit
fi

[ "$(id -u)" = 0 ] || die "please run as root: a new system needs mounts and chroot"
for tool in git debootstrap unshare; do
    command -v "$tool" >/dev/null || die "$tool is not installed"
done
work=$(mktemp -d "${TMPDIR:-/var/tmp}/rugo-fresh.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM
chmod 755 "$work"
mkdir "$work/system"
status=0
unshare --mount --pid --fork --kill-child --mount-proc "${BASH_SOURCE[0]}" --inside "$work/system" "$@" || status=$?
if [ "$status" = 0 ]; then say 'all is well in a new Debian'; else say "failed with status $status"; fi
exit "$status"
