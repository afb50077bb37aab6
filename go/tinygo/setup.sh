#!/bin/sh
# What Go programs of Rugo are built with, made below a folder of the build. The Makefile calls it:
#
#   go/tinygo/setup.sh compiler OUT     Go and TinyGo of the versions below: OUT/env tells where they are
#   go/tinygo/setup.sh root OUT         OUT/root, the TINYGOROOT: TinyGo's files, and Rugo's from overlay/ in place of
#                                       those that `replaced` names
#
# TINYGO=FILE is a TinyGo to use instead of building one; so is a `tinygo` on PATH of the right version. Whatever is
# downloaded comes as Go modules, checked against go.sum.
set -eu

go_version=go1.26.8
tinygo_version=0.41.1
llvm=19

here=$(cd "$(dirname "$0")" && pwd)
what=$1
out=$(mkdir -p "$2" && cd "$2" && pwd)

say() { printf 'go: %s\n' "$*" >&2; }
die()
{
    say "$*"
    say 'without Go programs: ./rugo run --no-go, make GO=no'
    exit 1
}

# ---- Go ----------------------------------------------------------------------------------------------------------

# A Go toolchain is a module too; its zip has no execute bits, and keeps go.mod files under another name.
download_go()
{
    module=golang.org/toolchain@v0.0.1-$go_version.linux-amd64
    say "fetching $go_version"
    dir=$(cd / && GOFLAGS=-mod=mod go mod download -json "$module" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p')
    [ -n "$dir" ] || die "$go_version is not here and could not be fetched as $module"
    rm -rf "$out/goroot"
    cp -r "$dir" "$out/goroot"
    chmod -R u+w "$out/goroot"
    chmod +x "$out"/goroot/bin/* "$out"/goroot/pkg/tool/*/*
    find "$out/goroot" -name _go.mod | while read -r f; do mv "$f" "${f%_go.mod}go.mod"; done
}

find_go()
{
    command -v go >/dev/null || die 'missing: go (any version that can fetch modules; Debian: golang-go)'
    if [ "$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null)" = "$go_version" ]; then
        goroot=$(GOTOOLCHAIN=local go env GOROOT)
    else
        [ "$("$out/goroot/bin/go" env GOVERSION 2>/dev/null)" = "$go_version" ] || download_go
        goroot=$out/goroot
    fi
    PATH=$goroot/bin:$PATH
    export PATH GOTOOLCHAIN=local GOWORK=off GOFLAGS=-mod=readonly
}

# ---- TinyGo ------------------------------------------------------------------------------------------------------

right_version() { case "$("$1" version 2>/dev/null)" in "tinygo version $tinygo_version "*) true ;; *) false ;; esac; }

build_tinygo()
{
    for tool in g++ clang-$llvm ld.lld-$llvm llvm-config-$llvm; do
        command -v $tool >/dev/null || die "missing: $tool, to build TinyGo (Debian: g++ clang-$llvm lld-$llvm llvm-$llvm-dev libclang-$llvm-dev)"
    done
    [ -e /usr/lib/llvm-$llvm/include/clang-c/Index.h ] || die "missing: libclang-$llvm-dev, to build TinyGo"
    say "building TinyGo $tinygo_version, which takes a minute or two"
    mkdir -p "$out/bin"
    (cd "$here" && nice go build -tags llvm$llvm -o "$out/bin/tinygo" github.com/tinygo-org/tinygo) ||
        die "TinyGo $tinygo_version could not be built (with no network its modules must be in Go's module cache)"
    tinygo=$out/bin/tinygo
}

find_tinygo()
{
    if [ -n "${TINYGO-}" ]; then
        right_version "$TINYGO" || die "TINYGO=$TINYGO is not TinyGo $tinygo_version"
        tinygo=$(command -v "$TINYGO")
    elif command -v tinygo >/dev/null && right_version tinygo; then
        tinygo=$(command -v tinygo)
    else
        build_tinygo
    fi
}

# ---- TINYGOROOT --------------------------------------------------------------------------------------------------

find_sources()
{
    sources=$(cd "$here" && go mod download -json github.com/tinygo-org/tinygo 2>/dev/null |
        sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p')
    [ -n "$sources" ] || die "TinyGo's sources are not here and could not be fetched as a Go module"
}

make_root()
{
    root=$out/root
    rm -rf "$root"
    mkdir -p "$root/lib" "$root/targets" "$root/rugo"
    cp -rs "$sources/src" "$root/src"
    chmod -R u+w "$root/src"
    mkdir -p "$root/src/net/http"           # a part of TinyGo that its module lacks
    ln -s "$(clang-$llvm -print-resource-dir)" "$root/lib/clang"
    sed 's/#.*//' "$here/replaced" | while read -r file why; do
        [ -z "$file" ] || rm "$root/$file"
    done
    cp -r "$here/overlay/." "$root/"
    cp "$here/targets/rugo.json" "$root/targets/"
    for file in crt0.o librugo.a; do ln -s "$out/../$file" "$root/rugo/$file"; done
    ln -s "$out/support.a" "$root/rugo/support.a"
    ln -s "$(gcc -print-libgcc-file-name)" "$root/rugo/libgcc.a"
}

find_go
case $what in
compiler)
    find_tinygo
    printf "PATH='%s'\nexport PATH GOTOOLCHAIN=local GOWORK=off GOFLAGS=-mod=readonly TINYGOROOT='%s'\ntinygo='%s'\n" \
        "$goroot/bin:\$PATH" "$out/root" "$tinygo" | sed "s/:\\\$PATH'/':\\\$PATH/" >"$out/env"
    ;;
root)
    find_sources
    make_root
    ;;
*)  die "no such step: $what" ;;
esac
