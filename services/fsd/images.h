/*
 * Programs as memory objects: what `image` hands out. A file that was asked for is kept as an object until it changes, until
 * others need the room, or until memory gets scarce; an object never changes once it was given to somebody.
 *
 * An object that clients still use counts against the room for all, kept or not, so that they cannot make fsd hold more than that.
 */
#ifndef FSD_IMAGES_H
#define FSD_IMAGES_H

#include <rugo/abi.h>
#include <stddef.h>
#include <stdint.h>

#include "services/fsd/fs.h"

struct image {
    struct image *next;
    const struct fs *fs; /* the file */
    uint64_t ino;
    handle_t object;
    char *data; /* the object, mapped */
    size_t size; /* of the file */
};

/* bytes: memory of the machine. */
void images_init(uint64_t bytes);

/*
 * The image of a file of size bytes; good until the calling fiber waits. The file is held by the caller, so that it does not
 * change meanwhile. -EFBIG: too big to be kept; -ENOMEM: no room; or what reading it says.
 */
int image_of(struct vnode *vn, uint64_t size, struct image **out);

/* The file has changed, or is a new one. */
void image_changed(const struct vnode *vn);

#endif
