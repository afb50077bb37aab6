/*
 * Paths as strings: components, and absolute paths.
 *
 * SOURCES: services/fsd/path.c
 */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "services/fsd/path.h"

static void test_components(const char *path, const char *want)
{
    char got[200] = "";
    const char *p = path, *end = path + strlen(path), *name;
    size_t len;
    while (path_next(&p, end, &name, &len)) {
        strncat(got, name, len);
        strcat(got, path_at_end(p, end) ? "$" : "|");
    }
    CHECK(!strcmp(got, want), "%s: %s", path, got);
}

static void normalised(const char *cwd, const char *path, const char *want)
{
    char got[64];
    int len = path_normalise(cwd, path, got, sizeof got);
    CHECK(len == (int)strlen(want) && !strcmp(got, want), "%s in %s: '%s'", path, cwd, got);
}

int main(void)
{
    test_components("", "");
    test_components("///", "");
    test_components("a", "a$");
    test_components("/a//b/c", "a|b|c$");
    test_components("a/b///", "a|b$");
    test_components("../.", "..|.$");

    normalised("/", "", "/");
    normalised("/", "a", "/a");
    normalised("/a/b", "c", "/a/b/c");
    normalised("/a/b", "../c", "/a/c");
    normalised("/a/b", "../../../..", "/");
    normalised("/a/b", "/x/./y//z/..", "/x/y");
    normalised("/a//b/.", ".", "/a/b");
    normalised("/a", "...", "/a/...");
    normalised("/aa/bb", "..", "/aa");

    char out[8];
    CHECK(path_normalise("relative", "a", out, sizeof out) == -EINVAL);
    CHECK(path_normalise("/", "123456", out, 8) == 7 && !strcmp(out, "/123456"));
    CHECK(path_normalise("/", "1234567", out, 8) == -ENAMETOOLONG);
    CHECK(path_normalise("/", "1234567/..", out, 8) == -ENAMETOOLONG);
    CHECK(path_normalise("/", "", out, 1) == -ENAMETOOLONG);
    CHECK(path_normalise("/", "", out, 2) == 1);
    CHECK(path_normalise("/abc", "../def/../ghi", out, 8) == 4 && !strcmp(out, "/ghi"));
    return check_done("fspath");
}
