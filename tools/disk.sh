#!/bin/sh
# Copy files between this host and an ext2/ext3/ext4 image, with debugfs.
#
#   disk.sh put IMG SRC DST    SRC is a file here, DST a path in the image (its folders are made; with a / at the
#                              end, or when DST is a folder, the file keeps its name). An existing file is replaced.
#   disk.sh get IMG SRC DST    SRC is a path in the image, DST a file or folder here.
#
# debugfs reports no errors by its exit status, so each copy is read back and compared.
# The image must not be in use by a running machine.
set -eu

die() { echo "disk: $*" >&2; exit 1; }
wrong_use() { echo "usage: ./rugo disk put|get IMG SRC DST" >&2; exit 2; }

[ $# = 4 ] || wrong_use
verb=$1 image=$2 src=$3 dst=$4
[ -f "$image" ] || die "no such image: $image"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

# debugfs splits its requests at blanks; within double quotes a double quote is written twice.
quote() { printf '"%s"' "$(printf '%s' "$1" | sed 's/"/""/g')"; }

# What lies at a path of the image: regular, directory, symlink, … or nothing. (By device and not by name:
# debugfs's messages are about the file that it looked for, and a name may say anything.)
kind_of()
{
    printf 'stat %s\n' "$(quote "$1")" | debugfs -f - "$image" 2>/dev/null |
        sed -n 's/^Inode: [0-9]*  *Type: \([a-z]*\).*/\1/p'
}

# Requests on standard input are carried out in the image.
change() { debugfs -w -f - "$image" >"$scratch/log" 2>&1 || die "debugfs: $(cat "$scratch/log")"; }

read_out()
{
    printf 'dump %s %s\n' "$(quote "$1")" "$(quote "$2")" | debugfs -f - "$image" >"$scratch/log" 2>&1
}

make_folders()
{
    path=
    rest=$1
    while [ -n "$rest" ]; do
        part=${rest%%/*}
        case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
        [ -n "$part" ] || continue
        path=$path/$part
        case $(kind_of "$path") in
        directory) ;;
        '') printf 'mkdir %s\n' "$(quote "$path")" | change ;;
        *) die "$path in $image is not a folder" ;;
        esac
    done
}

put()
{
    [ -f "$src" ] || die "no such file: $src"
    case $dst in /*) ;; *) dst=/$dst ;; esac
    case $dst in */) dst=$dst$(basename "$src") ;; esac
    [ "$(kind_of "$dst")" != directory ] || dst=${dst%/}/$(basename "$src")
    make_folders "${dst%/*}"
    {
        printf 'cd %s\n' "$(quote "${dst%/*}/")"
        [ -z "$(kind_of "$dst")" ] || printf 'rm %s\n' "$(quote "${dst##*/}")"
        printf 'write %s %s\n' "$(quote "$(realpath "$src")")" "$(quote "${dst##*/}")"
    } | change
    read_out "$dst" "$scratch/copy"
    if ! cmp -s "$src" "$scratch/copy"; then
        printf 'cd %s\nrm %s\n' "$(quote "${dst%/*}/")" "$(quote "${dst##*/}")" | change
        die "could not write $dst ($(du -k "$src" | cut -f 1) KiB): is the image full?" \
            "$(debugfs -R 'show_super_stats -h' "$image" 2>/dev/null | sed -n '/^Free blocks/p;/^Block size/p' | tr -s ' \n' ' ')"
    fi
}

get()
{
    case $src in /*) ;; *) src=/$src ;; esac
    case $(kind_of "$src") in
    regular) ;;
    '') die "no such file in $image: $src" ;;
    *) die "$src in $image is not a regular file" ;;
    esac
    [ ! -d "$dst" ] || dst=${dst%/}/${src##*/}
    read_out "$src" "$scratch/copy"
    [ -f "$scratch/copy" ] || die "could not read $src: $(tail -n 1 "$scratch/log")"
    cat "$scratch/copy" >"$dst"
}

case $verb in
put) put ;;
get) get ;;
*)   wrong_use ;;
esac
