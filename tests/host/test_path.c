/*
 * Paths as text.
 *
 * SOURCES: lib/path.c FLAGS: -idirafter lib
 */
#include <errno.h>
#include <rugo/path.h>
#include <string.h>

#include "check.h"

static void joined(const char *dir, const char *path, int clean, const char *want)
{
    char out[64];
    int st = path_join(dir, path, clean, out, sizeof out);

    CHECK(st == 0 && strcmp(out, want) == 0, "%s + %s: \"%s\", not \"%s\"", dir, path,
          st == 0 ? out : "error", want);
}

static void last(const char *path, const char *want)
{
    char out[16];

    CHECK(strcmp(path_last(path, out, sizeof out), want) == 0, "%s: \"%s\"", path, out);
}

static void fits(void)
{
    char out[9], long_name[5000];

    for (size_t size = 0; size < sizeof out; size++) {
        out[size] = '!';
        int st = path_join("/abc", "def", 0, out, size);
        CHECK(st == -ENAMETOOLONG && out[size] == '!', "size %zu", size);
    }
    CHECK(path_join("/abc", "def", 0, out, 9) == 0 && strcmp(out, "/abc/def") == 0);
    CHECK(path_join("/", "", 0, out, 9) == -ENOENT);
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    CHECK(path_join("/", long_name, 1, out, 9) == -ENAMETOOLONG);
}

int main(void)
{
    joined("/", "a", 0, "/a");
    joined("/a", "b/../c", 0, "/a/b/../c");
    joined("/a/", "b", 0, "/a/b");
    joined("/a", "/b", 0, "/b");
    joined("/a", "/", 0, "/");
    joined("/a", "//b", 0, "/b");
    joined("/", "/", 1, "/");
    joined("/a/b", "..", 1, "/a");
    joined("/a/b", "../..", 1, "/");
    joined("/a/b", "../../../../x", 1, "/x");
    joined("/a", "./b//c/.", 1, "/a/b/c");
    joined("/a", "b/../c/", 1, "/a/c");
    joined("/", "..", 1, "/");
    joined("/a", ".../..x", 1, "/a/.../..x");
    joined("/", "\xc3\xa4", 1, "/\xc3\xa4");
    last("/a/b", "b");
    last("/a/b///", "b");
    last("b", "b");
    last("/", "/");
    last("///", "/");
    last("", "");
    last("/a/0123456789abcdefghij", "0123456789abcde");
    fits();
    return check_done("path");
}
