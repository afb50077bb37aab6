/* Programs as memory objects (images.h). */
#include "services/fsd/images.h"

#include <errno.h>
#include <rugo/shm.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdlib.h>

enum { MIB = 1024 * 1024, ROOM_MAX = 16 * MIB, PIECE = 64 * 1024 };

static struct image *kept;  /* can be handed out, the one asked for last first */
static struct image *stale; /* of files that have changed, and somebody uses it yet */
static uint64_t used, room; /* bytes in both lists; at most */

void images_init(uint64_t bytes)
{
    room = bytes / 16 < MIB ? MIB : bytes / 16 > ROOM_MAX ? ROOM_MAX : bytes / 16;
}

static struct image **find(const struct vnode *vn)
{
    struct image **at = &kept;

    while (*at != NULL && ((*at)->ino != vnode_ino(vn) || (*at)->fs != vnode_fs(vn)))
        at = &(*at)->next;
    return at;
}

/* Whether nobody but us has it: our mapping is the one user there is beside our handle. */
static bool unused(const struct image *im)
{
    return sys_shm_users(im->object) <= 1;
}

static void drop(struct image *im)
{
    used -= im->size;
    shm_detach(im->data, im->size);
    (void)sys_handle_close(im->object);
    free(im);
}

/* Drop the last of a list that nobody uses; false: there is none. */
static bool drop_last(struct image **list)
{
    struct image **last = NULL, *im;

    for (struct image **at = list; *at != NULL; at = &(*at)->next) {
        if (unused(*at))
            last = at;
    }
    if (last == NULL)
        return false;
    im = *last;
    *last = im->next;
    drop(im);
    return true;
}

static bool drop_one(void)
{
    return drop_last(&stale) || drop_last(&kept);
}

/* Whether memory is scarce: then what is kept for speed goes. */
static bool scarce(void)
{
    struct machine_info info;

    return sys_machine_info(start_handle(START_MACHINE), &info) == 0 &&
           info.free_pages < info.total_pages / 16;
}

static bool make_room(uint64_t size)
{
    bool tight = scarce();

    while ((tight || used + size > room) && drop_one())
        ;
    return !tight && used + size <= room;
}

static int fill(struct vnode *vn, struct image *im)
{
    size_t done = 0;

    while (done < im->size) {
        size_t left = im->size - done;
        int64_t n = fs_read(vn, done, im->data + done, left < PIECE ? left : PIECE);

        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        done += (size_t)n;
    }
    return 0;
}

static int make(struct vnode *vn, size_t size, struct image **out)
{
    struct image *im = calloc(1, sizeof(*im));
    void *data;
    int st = im == NULL ? -ENOMEM : shm_new(size, &im->object, &data);

    if (st != 0) {
        free(im);
        return st;
    }
    im->data = data;
    im->size = size;
    im->fs = vnode_fs(vn);
    im->ino = vnode_ino(vn);
    used += size;
    st = fill(vn, im);
    if (st == 0)
        *out = im;
    else
        drop(im);
    return st;
}

int image_of(struct vnode *vn, uint64_t size, struct image **out)
{
    struct image **at = find(vn), *im = *at;
    int st;

    if (im != NULL) {
        *at = im->next;
    } else {
        if (size == 0 || size > room / 2)
            return -EFBIG;
        if (!make_room(size))
            return -ENOMEM;
        st = make(vn, (size_t)size, &im);
        if (st != 0)
            return st;
        image_changed(vn); /* another fiber may have made one meanwhile */
    }
    im->next = kept;
    kept = im;
    *out = im;
    return 0;
}

void image_changed(const struct vnode *vn)
{
    struct image **at = find(vn), *im = *at;

    if (im == NULL)
        return;
    *at = im->next;
    if (unused(im)) {
        drop(im);
    } else {
        im->next = stale;
        stale = im;
    }
}
