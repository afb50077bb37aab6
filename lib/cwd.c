/* The working directory: a string of this process, which children inherit through PWD. */
#include "error.h"
#include "where.h"

#include <rugo/path.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *cwd; /* NULL: not looked up yet */

const char *cwd_text(void)
{
    if (cwd == NULL) {
        const char *pwd = getenv("PWD");
        cwd = pwd != NULL && pwd[0] == '/' ? (char *)pwd : "/";
    }
    return cwd;
}

char *getcwd(char *buf, size_t size)
{
    size_t need = strlen(cwd_text()) + 1;

    if (buf == NULL) {
        buf = malloc(size = size < need ? need : size);
    } else if (size < need) {
        errno = size == 0 ? EINVAL : ERANGE;
        return NULL;
    }
    if (buf != NULL)
        memcpy(buf, cwd_text(), need);
    return buf;
}

int chdir(const char *path)
{
    char text[PATH_MAX];
    struct stat st;
    int err = path_join(cwd_text(), path, 1, text, sizeof text);

    if (err != 0)
        return (int)to_errno(err);
    if (stat(path, &st) != 0)
        return -1;
    if (!S_ISDIR(st.st_mode))
        return (int)to_errno(-ENOTDIR);
    if (setenv("PWD", text, 1) != 0)
        return -1;
    cwd = getenv("PWD");
    return 0;
}
