/* Whole files as memory objects. */
#include <rugo/file.h>

#include <rugo/ipc.h>
#include <rugo/proto_file.h>

#include "where.h"

int file_image_path(const char *path, struct file_image *im)
{
    struct where w;
    int st = where_begin(&w, path);

    if (st != 0)
        return st;
    st = file_image(w.dir, w.rel, im->head, sizeof im->head, &im->object, &im->size, &im->mode);
    where_end(&w);
    return st;
}
