#!/bin/bash
# Adds files and lines to a kernel backtrace: reads a log on standard input and prints it again, with
# "function at file:line" behind every line that holds function+0xoffset.
#
#   tools/symbolize.sh [FILE.debug.elf] < log        (default: the kernel, build/rugo.debug.elf)
#
# Needs bash for 64-bit numbers. Works whatever address the kernel ran at: it goes by function and offset. Needs nm and addr2line (binutils).
set -eu

elf=${1:-${BUILD:-$(dirname "$0")/../build}/rugo.debug.elf}
[ -r "$elf" ] || { echo "symbolize.sh: $elf: no such file (run make first)" >&2; exit 2; }
for tool in nm addr2line; do
    command -v "$tool" >/dev/null || { echo "symbolize.sh: $tool is not installed (Debian package binutils)" >&2; exit 2; }
done

symbols=$(mktemp)
trap 'rm -f "$symbols"' EXIT
nm "$elf" | awk '$2 ~ /[tTwW]/ { print $3, $1 }' >"$symbols"

while IFS= read -r line; do
    printf '%s' "$line"
    spot=$(printf '%s\n' "$line" | sed -n 's/.*[^A-Za-z0-9_.]\([A-Za-z_][A-Za-z0-9_.]*+0x[0-9a-f]*\).*/\1/p')
    base=$(awk -v name="${spot%+*}" '$1 == name { print $2; exit }' "$symbols")
    if [ -n "$spot" ] && [ -n "$base" ]; then
        # A return address belongs to the call before it.
        address=$(printf '%x' $((0x$base + ${spot#*+} - 1)))
        printf '   %s' "$(addr2line -e "$elf" "0x$address")"
    fi
    printf '\n'
done
