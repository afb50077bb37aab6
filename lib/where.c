/* From a path to the directory session and the text that is sent to it. */
#include "where.h"

#include <errno.h>
#include <fcntl.h>
#include <rugo/file.h>
#include <rugo/path.h>
#include <rugo/proto_file.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <string.h>

static handle_t root = HANDLE_NONE; /* as set by root_set */

int root_set(handle_t h)
{
    int64_t info = sys_handle_info(h);
    handle_t copy;

    if (info < 0)
        return (int)info;
    copy = sys_handle_dup(h, (uint32_t)info, 0, 0);
    if (copy < 0)
        return copy;
    if (root != HANDLE_NONE)
        (void)sys_handle_close(root);
    root = copy;
    return 0;
}

static const char *skip_slashes(const char *p)
{
    while (*p == '/')
        p++;
    return p;
}

/* Opens the directories at the front of w->rel until the rest fits into a message. */
static int walk_front(struct where *w)
{
    while (strlen(w->rel) > PROTO_STRING_MAX) {
        char *slash = memrchr(w->rel, '/', PROTO_STRING_MAX);
        handle_t next;
        uint32_t kind;
        int st;

        if (slash == NULL)
            return -ENAMETOOLONG;
        *slash = '\0';
        st = file_open(w->dir, O_RDONLY | O_DIRECTORY, 0, w->rel, &next, &kind);
        if (st != 0)
            return st;
        where_end(w);
        w->dir = next;
        w->walked = 1;
        w->rel = skip_slashes(slash + 1);
    }
    return 0;
}

int where_begin(struct where *w, const char *path)
{
    int st = path_join(cwd_text(), path, 0, w->text, sizeof w->text);

    if (st == 0 && strlen(w->text) > PROTO_STRING_MAX)
        st = path_join(cwd_text(), path, 1, w->text, sizeof w->text);
    if (st != 0)
        return st;
    w->walked = 0;
    w->dir = root != HANDLE_NONE ? root : start_handle(START_ROOT);
    if (w->dir == HANDLE_NONE)
        return -ENOENT;
    w->rel = skip_slashes(w->text);
    st = walk_front(w);
    if (st != 0)
        where_end(w);
    if (*w->rel == '\0')
        w->rel = ".";
    return st;
}

void where_end(struct where *w)
{
    if (w->walked)
        (void)sys_handle_close(w->dir);
    w->walked = 0;
}
