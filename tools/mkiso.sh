#!/bin/bash
# Makes the bootable ISO: one image for BIOS and UEFI. Needs bash.
#
#   tools/mkiso.sh [-o FILE] [--cmdline STR]
#
# Takes rugo.elf, shim.elf and initrd.cpio from $BUILD (default: build beside tools) and writes
# $BUILD/rugo.iso or FILE. The kernel's command line is STR, else $LIMINE_CMDLINE, else empty; the
# kernel file itself is copied as it is.
#
# The loader is the real Limine where there is one: from the folder LIMINE_DIR (limine-bios.sys,
# limine-bios-cd.bin, limine-uefi-cd.bin, BOOTX64.EFI, limine.c), or installed with `limine` on
# PATH. Otherwise it is GRUB, which starts the shim.
#
# Exit status: 0, or 2 for wrong use or something missing on the host, named.

set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 2
build=${BUILD:-$here/../build}
out=$build/rugo.iso
cmdline=${LIMINE_CMDLINE-}
tmp=''

# What starting the shim takes, and what GRUB's own first configuration asks for by name.
grub_modules="normal iso9660 multiboot2 boot part_acorn part_amiga part_bsd part_dfly part_dvh
              part_plan part_sun part_sunpc"

die()
{
    echo "mkiso.sh: $1" >&2
    exit 2
}

need_program()
{
    command -v "$1" >/dev/null || die "$1 is not installed (Debian package $2)"
}

parse()
{
    while [ $# -gt 0 ]; do
        [ $# -ge 2 ] || die "$1 needs a value, or is not known (use: [-o FILE] [--cmdline STR])"
        case $1 in
            -o) out=$2 ;;
            --cmdline) cmdline=$2 ;;
            *) die "unknown option '$1' (use: [-o FILE] [--cmdline STR])" ;;
        esac
        shift 2
    done
    case $cmdline in
        *[$'\n\r']*) die "the command line has a line break, which no boot configuration can hold" ;;
    esac
    [ "$(printf %s "$cmdline" | wc -c)" -le 4095 ] || die "the command line is longer than 4095 bytes"
}

# copy_config TEMPLATE CMDLINE DESTINATION
copy_config()
{
    local text
    text=$(<"$here/../boot/limine/$1") || die "boot/limine/$1 cannot be read"
    mkdir -p "$(dirname "$3")"
    printf '%s\n' "${text//@CMDLINE@/"$2"}" >"$3"
}

copy_system()
{
    local file
    mkdir -p "$tmp/root/boot"
    for file; do
        [ -r "$build/$file" ] || die "$build/$file is missing: run 'make' first"
        cp "$build/$file" "$tmp/root/boot/$file" || die "cannot write to $tmp"
    done
}

# Where Limine's files are; empty if there is no Limine.
find_limine()
{
    if [ -n "${LIMINE_DIR-}" ]; then
        printf %s "$LIMINE_DIR"
    elif command -v limine >/dev/null; then
        limine --print-datadir
    fi
}

# install_limine FOLDER ISO: makes the ISO start from a disk on BIOS machines, too.
install_limine()
{
    local tool
    if [ -n "${LIMINE_DIR-}" ]; then
        need_program cc gcc
        cc -O2 -w -o "$tmp/limine" "$1/limine.c" || die "$1/limine.c cannot be compiled"
        tool=$tmp/limine
    else
        tool=limine
    fi
    "$tool" bios-install "$2" >"$tmp/log" 2>&1 || die "limine bios-install: $(tail -1 "$tmp/log")"
}

make_limine_iso()
{
    local from=$1 file
    case $cmdline in
        ' '* | *' ') die "Limine would cut the spaces at the ends of the command line" ;;
        *'${'*) die "Limine would take \${...} in the command line for a macro" ;;
    esac
    for file in limine-bios.sys limine-bios-cd.bin limine-uefi-cd.bin BOOTX64.EFI; do
        [ -r "$from/$file" ] || die "$from/$file is missing (folder of Limine)"
    done
    copy_system rugo.elf initrd.cpio
    mkdir -p "$tmp/root/boot/limine" "$tmp/root/EFI/BOOT"
    cp "$from"/limine-bios.sys "$from"/limine-bios-cd.bin "$from"/limine-uefi-cd.bin \
        "$tmp/root/boot/limine/" && cp "$from/BOOTX64.EFI" "$tmp/root/EFI/BOOT/" ||
        die "cannot write to $tmp"
    copy_config limine.conf "$cmdline" "$tmp/root/boot/limine/limine.conf"
    xorriso -as mkisofs -quiet -R -J -b boot/limine/limine-bios-cd.bin -no-emul-boot \
        -boot-load-size 4 -boot-info-table --efi-boot boot/limine/limine-uefi-cd.bin \
        -efi-boot-part --efi-boot-image --protective-msdos-label "$tmp/root" \
        -o "$tmp/rugo.iso" >"$tmp/log" 2>&1 || die "xorriso: $(tail -1 "$tmp/log")"
    install_limine "$from" "$tmp/rugo.iso"
}

# One word of GRUB's language: in double quotes, where a backslash takes the meaning from the next
# \, " or $. (Single quotes would have to be left for each single quote: GRUB hangs on thousands.)
grub_word()
{
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    printf '"%s"' "${text//\$/\\\$}"
}

make_grub_iso()
{
    need_program grub-mkrescue grub-common
    need_program mformat mtools
    [ -d /usr/lib/grub/i386-pc ] || die "GRUB for BIOS is not installed (Debian package grub-pc-bin)"
    [ -d /usr/lib/grub/x86_64-efi ] ||
        die "GRUB for UEFI is not installed (Debian package grub-efi-amd64-bin)"
    copy_system rugo.elf shim.elf initrd.cpio
    copy_config grub.cfg "$(grub_word "$cmdline")" "$tmp/root/boot/grub/grub.cfg"
    grub-mkrescue --install-modules="$grub_modules" --locales= --fonts= --themes= \
        -o "$tmp/rugo.iso" "$tmp/root" >"$tmp/log" 2>&1 ||
        die "grub-mkrescue: $(tail -1 "$tmp/log")"
}

parse "$@"
need_program xorriso xorriso
tmp=$(mktemp -d "${TMPDIR:-/tmp}/rugo-iso.XXXXXX") || die "cannot make a folder in ${TMPDIR:-/tmp}"
trap 'rm -rf -- "$tmp"' EXIT
trap 'exit 143' HUP INT TERM
limine_folder=$(find_limine)
if [ -n "$limine_folder" ]; then
    make_limine_iso "$limine_folder"
else
    make_grub_iso
fi
mv -- "$tmp/rugo.iso" "$out" || die "cannot write $out"
