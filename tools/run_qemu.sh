#!/bin/bash
# Starts Rugo in QEMU: the one way for people, tests and CI. Needs bash (for arrays), which every
# Debian has. The serial console is on stdin and stdout.
#
#   tools/run_qemu.sh [--boot direct|bios|uefi] [--machine pc|q35] [--iso FILE] [--cmdline STR]
#                     [--smp N] [--mem MIB] [--accel tcg|kvm] [--disk FILE]... [--snapshot]
#                     [--net none|user[,hostfwd=...]] [--icount] [--timeout S] [--gdb]
#                     [--qmp SOCKET] [-- QEMU ARGS...]
#
# Takes rugo.elf, shim.elf, initrd.cpio and rugo.iso from $BUILD (default: build beside tools).
#
# Exit status: 0 success; 1 panic or failed scenario; 2 wrong use, or something that is missing on
# the host, named; 124 time-out. A guest succeeds by writing 0x10 to the debug-exit port (QEMU then
# ends with 33). Without test= on the command line, a power-off and Ctrl-A X are success too.
# Ended by a signal, it ends QEMU first and then exits with 128 + the signal's number.

set -u

# QEMU wants a stdin. One that is closed is nobody's.
[ -e /proc/self/fd/0 ] || exec </dev/null

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 2
build=${BUILD:-$here/../build}

boot='' machine=pc iso='' cmdline='' cmdline_given=no smp=1 mem=256 accel=tcg snapshot=no net=none
icount=no timeout='' gdb=no qmp=''
disks=() extra=()

qemu_pid='' tmp='' tty_state=''

wrong_use()
{
    echo "run_qemu.sh: $1" >&2
    echo "usage: tools/run_qemu.sh [--boot direct|bios|uefi] [--machine pc|q35] [--iso FILE]" \
        "[--cmdline STR] [--smp N] [--mem MIB] [--accel tcg|kvm] [--disk FILE]... [--snapshot]" \
        "[--net none|user[,hostfwd=...]] [--icount] [--timeout S] [--gdb] [--qmp SOCKET]" \
        "[-- QEMU ARGS...]" >&2
    exit 2
}

missing()
{
    echo "run_qemu.sh: $1" >&2
    exit 2
}

# need_program NAME PACKAGE
need_program()
{
    command -v "$1" >/dev/null || missing "$1 is not installed (Debian package $2)"
}

# need_built FILE: an artefact of the build.
need_built()
{
    [ -r "$build/$1" ] || missing "$build/$1 is missing: run 'make' first"
}

one_of()
{
    local option=$1 value=$2 word
    shift 2
    for word; do
        [ "$value" = "$word" ] && return
    done
    wrong_use "$option '$value': must be one of: $*"
}

# number OPTION VALUE MIN MAX
number()
{
    [[ $2 =~ ^[0-9]{1,7}$ ]] && [ "$((10#$2))" -ge "$3" ] && [ "$((10#$2))" -le "$4" ] ||
        wrong_use "$1 '$2': must be a number from $3 to $4"
}

# A comma separates QEMU's own options; in a value it is doubled.
quoted()
{
    printf '%s' "${1//,/,,}"
}

parse()
{
    while [ $# -gt 0 ]; do
        case $1 in
            --snapshot) snapshot=yes; shift; continue ;;
            --icount) icount=yes; shift; continue ;;
            --gdb) gdb=yes; shift; continue ;;
            --) shift; extra=("$@"); return ;;
            --boot | --machine | --iso | --cmdline | --smp | --mem | --accel | --disk | --net | \
                --timeout | --qmp) ;;
            *) wrong_use "unknown option '$1'" ;;
        esac
        [ $# -ge 2 ] || wrong_use "$1 needs a value"
        case $1 in
            --boot) boot=$2 ;;
            --machine) machine=$2 ;;
            --iso) iso=$2; [ -n "$iso" ] || wrong_use "--iso needs a file name" ;;
            --cmdline) cmdline=$2 cmdline_given=yes ;;
            --smp) smp=$2 ;;
            --mem) mem=$2 ;;
            --accel) accel=$2 ;;
            --disk) disks+=("$2") ;;
            --net) net=$2 ;;
            --timeout) timeout=$2 ;;
            --qmp) qmp=$2; [ -n "$qmp" ] || wrong_use "--qmp needs a socket name" ;;
        esac
        shift 2
    done
}

check_options()
{
    if [ -z "$boot" ]; then
        if [ -n "$iso" ]; then boot=bios; else boot=direct; fi
    fi
    one_of --boot "$boot" direct bios uefi
    one_of --machine "$machine" pc q35
    one_of --accel "$accel" tcg kvm
    [ "$(printf %s "$cmdline" | wc -c)" -le 4095 ] ||
        wrong_use "--cmdline: the kernel takes 4095 bytes, this is longer"
    number --smp "$smp" 1 255
    number --mem "$mem" 1 1048576
    case $net in
        none | user | user,?*) ;;
        *) wrong_use "--net '$net': must be none or user[,hostfwd=...]" ;;
    esac
    if [ -n "$timeout" ]; then
        [[ $timeout =~ ^[0-9]{1,6}(\.[0-9]{1,3})?$ && $timeout =~ [1-9] ]] ||
            wrong_use "--timeout '$timeout': must be a number of seconds above 0"
    fi
    [ "$boot" != direct ] || [ -z "$iso" ] ||
        wrong_use "--iso: --boot direct starts without an ISO (use --boot bios or uefi)"
    if [ "$icount" = yes ]; then
        [ "$smp" -eq 1 ] || wrong_use "--icount with --smp $smp: only one CPU would run"
        [ "$accel" = tcg ] || wrong_use "--icount with --accel $accel: only tcg counts instructions"
    fi
}

check_host()
{
    local disk
    need_program qemu-system-x86_64 qemu-system-x86
    need_program setpriv util-linux
    [ -z "$timeout" ] || need_program timeout coreutils
    for disk in ${disks[@]+"${disks[@]}"}; do
        [ -e "$disk" ] || missing "--disk $disk: no such file"
        [ -f "$disk" ] || [ -b "$disk" ] || missing "--disk $disk: not a file or block device"
        [ -r "$disk" ] || missing "--disk $disk: not readable"
    done
    [ -z "$iso" ] || [ -r "$iso" ] || missing "--iso $iso: no such file"
    [ -z "$qmp" ] || [ -d "$(dirname -- "$qmp")" ] || missing "--qmp $qmp: no such folder"
    if [ "$accel" = kvm ]; then
        [ -r /dev/kvm ] && [ -w /dev/kvm ] || missing "--accel kvm: /dev/kvm cannot be opened"
    fi
}

make_tmp()
{
    [ -n "$tmp" ] || tmp=$(mktemp -d "${TMPDIR:-/tmp}/rugo-run.XXXXXX") ||
        missing "cannot make a folder in ${TMPDIR:-/tmp}"
}

# QEMU cuts a module's name at the first space: files whose path has one go by another name.
plain_path()
{
    case $1 in
        *' '*)
            make_tmp
            ln -sf "$(realpath -- "$1")" "$tmp/$(basename -- "$1")"
            plain=$tmp/$(basename -- "$1")
            ;;
        *) plain=$1 ;;
    esac
    case $plain in
        *' '*) missing "no folder without spaces for temporary files (TMPDIR=${TMPDIR-})" ;;
    esac
}

add_direct()
{
    local kernel initrd plain
    need_built shim.elf
    need_built rugo.elf
    need_built initrd.cpio
    plain_path "$build/rugo.elf"
    kernel=$plain
    plain_path "$build/initrd.cpio"
    initrd=$plain
    qemu+=(-kernel "$build/shim.elf" -initrd "$(quoted "$kernel $cmdline"),$(quoted "$initrd")")
}

add_iso()
{
    if [ -z "$iso" ]; then
        iso=$build/rugo.iso
        [ "$cmdline_given" = yes ] || [ -r "$iso" ] ||
            missing "$iso is missing: run 'make iso' first"
    fi
    if [ "$cmdline_given" = yes ]; then
        make_tmp
        BUILD=$build "$here/mkiso.sh" -o "$tmp/rugo.iso" --cmdline "$cmdline" >"$tmp/mkiso.log" ||
            { cat "$tmp/mkiso.log" >&2; missing "no ISO could be made for this command line"; }
        iso=$tmp/rugo.iso
    fi
    qemu+=(-drive "file=$(quoted "$iso"),format=raw,if=none,id=cd,media=cdrom,readonly=on"
        -device ide-cd,drive=cd,bootindex=0)
}

# A fresh copy of the variables for each run: stale ones end in the UEFI shell.
add_ovmf()
{
    local size code vars
    for size in _4M ''; do
        code=/usr/share/OVMF/OVMF_CODE$size.fd vars=/usr/share/OVMF/OVMF_VARS$size.fd
        if [ -r "$code" ] && [ -r "$vars" ]; then
            make_tmp
            cp "$vars" "$tmp/vars.fd" || missing "cannot write to $tmp"
            qemu+=(-drive "if=pflash,unit=0,format=raw,readonly=on,file=$code"
                -drive "if=pflash,unit=1,format=raw,file=$(quoted "$tmp/vars.fd")")
            return
        fi
    done
    missing "UEFI firmware is not installed (Debian package ovmf)"
}

add_disks()
{
    local i options
    for i in ${disks[@]+"${!disks[@]}"}; do
        options=
        [ "$snapshot" = no ] || options=,snapshot=on
        if [ "$snapshot" = no ] && [ ! -w "${disks[i]}" ]; then
            echo "run_qemu.sh: --disk ${disks[i]}: not writable, the guest gets it read-only" >&2
            options=,readonly=on
        fi
        qemu+=(-drive "file=$(quoted "${disks[i]}"),format=raw,if=none,id=disk$i$options"
            -device "virtio-blk-pci,drive=disk$i")
    done
}

add_net()
{
    if [ "$net" = none ]; then
        qemu+=(-nic none)
    else
        qemu+=(-netdev "user,id=net0${net#user}" -device virtio-net-pci,netdev=net0,romfile=)
    fi
}

add_debugging()
{
    if [ "$gdb" = yes ]; then
        qemu+=(-s -S)
        echo "run_qemu.sh: waiting for: gdb $build/rugo.debug.elf -ex 'target remote :1234'" \
            "(nokaslr on the kernel's command line keeps the link addresses)" >&2
    fi
    [ -z "$qmp" ] || qemu+=(-qmp "unix:$(quoted "$qmp"),server=on,wait=off")
}

# Whether the guest runs a scenario. An ISO given without --cmdline tells by its own configuration.
has_scenario()
{
    if [ "$boot" = direct ] || [ "$cmdline_given" = yes ]; then
        [[ " $cmdline" == *" test="* ]]
    else
        LC_ALL=C grep -aqE '^ *(module2 /boot/rugo\.elf|kernel_cmdline:) .*test=' "$iso"
    fi
}

compose()
{
    qemu=(qemu-system-x86_64 -machine "$machine" -accel "$accel" -cpu max -smp "$smp" -m "$mem"
        -display none -serial mon:stdio -device isa-debug-exit,iobase=0xf4,iosize=4)
    case $boot in
        direct) add_direct ;;
        bios) add_iso ;;
        uefi) add_iso; add_ovmf ;;
    esac
    add_disks
    add_net
    add_debugging
    scenario=no
    ! has_scenario || scenario=yes
    [ "$scenario$icount$timeout" = nono ] || qemu+=(-no-reboot)
    if [ "$icount" = yes ]; then
        qemu+=(-icount shift=0,sleep=off -seed 1 -rtc clock=vm,base=2026-01-01T00:00:00)
    fi
    qemu+=(${extra[@]+"${extra[@]}"})
}

cleanup()
{
    if [ -n "$qemu_pid" ] && kill -0 "$qemu_pid" 2>/dev/null; then
        kill -TERM "$qemu_pid" 2>/dev/null
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            kill -0 "$qemu_pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$qemu_pid" 2>/dev/null
        wait "$qemu_pid" 2>/dev/null
    fi
    [ -z "$tty_state" ] || stty "$tty_state" 2>/dev/null
    [ -z "$qmp" ] || [ ! -S "$qmp" ] || rm -f -- "$qmp"
    [ -z "$tmp" ] || rm -rf -- "$tmp"
}

# In the background, so that signals reach this script at once; its stdin is handed on by name. Each
# process dies with its parent, even if that is killed with SIGKILL.
run()
{
    local die=(setpriv --pdeathsig KILL) limit=()
    [ -z "$timeout" ] || limit=(timeout --foreground --kill-after=2 "$timeout" "${die[@]}")
    if [ -t 0 ]; then
        tty_state=$(stty -g)
    fi
    "${die[@]}" ${limit[@]+"${limit[@]}"} "${qemu[@]}" <&0 &
    qemu_pid=$!
    wait "$qemu_pid"
    status=$?
    qemu_pid=
}

verdict()
{
    case $status in
        33) exit 0 ;;
        0) if [ "$scenario" = yes ]; then exit 1; else exit 0; fi ;;
        124 | 137) [ -z "$timeout" ] || exit 124; exit 1 ;;
        1) echo "run_qemu.sh: QEMU did not start (its reason is above)" >&2; exit 2 ;;
        *) exit 1 ;;
    esac
}

parse "$@"
check_options
check_host
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
compose
run
verdict
