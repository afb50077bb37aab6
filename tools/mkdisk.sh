#!/bin/sh
# Make the sample disk: an ext2 image of 64 MiB with a small tree of files and the package hello.rpk.
#
#   mkdisk.sh IMAGE            reads $BUILD (default: build); replaces the image only when the new one is complete
set -eu
PATH=$PATH:/usr/sbin:/sbin

image=${1:?usage: mkdisk.sh IMAGE}
tools=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder" "$image.new"' EXIT
trap 'exit 1' HUP INT TERM

mkdir -p "$folder/docs" "$folder/home" "$folder/tmp"
cat >"$folder/readme.txt" <<'END'
This is Rugo's sample disk, mounted at /. It keeps what you write to it.

Try:  ls -l /docs     cat /docs/poem.txt     echo hello > /home/note     cat /home/note
      pkg install /hello.rpk                 hello                       shutdown
END
cat >"$folder/docs/poem.txt" <<'END'
A kernel small enough to read,
a shell, a disk, a file:
the first free afternoon you need
to stay with it a while.
END
ln -s docs/poem.txt "$folder/poem"

BUILD=${BUILD:-build} /usr/bin/python3 "$tools/mkpkg.py" build "$tools/../samples/hello" -o "$folder/hello.rpk"

find "$folder" -type d -exec chmod 755 {} +
find "$folder" -type f -exec chmod 644 {} +
mke2fs -q -F -t ext2 -b 1024 -L rugo -E root_owner=0:0 -d "$folder" "$image.new" 64M >/dev/null
mv "$image.new" "$image"
