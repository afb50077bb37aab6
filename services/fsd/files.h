/*
 * Open files: what a session of fsd stands for. The badge of a session that fsd made leads to its
 * open file; all others (BADGE_CLIENT, BADGE_SUPERVISOR) stand for the directory `/`.
 */
#ifndef FSD_FILES_H
#define FSD_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "services/fsd/fs.h"

enum { FILES_MAX = 4096 };          /* open at the same time, over all clients */

struct open_file {
    struct vnode *vn;
    uint64_t pos;                   /* where reading or writing goes on; a directory's cursor */
    uint32_t access; /* O_RDONLY, O_WRONLY or O_RDWR, and O_APPEND; O_NONBLOCK means nothing */
    bool is_root; /* stands for `/` of many sessions: has no position */
    bool moving; /* a request is using the position; others wait */
    unsigned refs; /* the session, and each request that uses it */
    uint64_t badge;
};

/*
 * Make an open file for `vn`, whose reference goes over to it, also on failure. Its badge is for a
 * new session. -ENFILE, -ENOMEM.
 */
int file_new(struct vnode *vn, uint32_t access, struct open_file **out);

/* The open file of a badge with a reference for the caller; NULL if there is none. */
struct open_file *file_get(uint64_t badge);
void file_put(struct open_file *file);

/* The session of this badge is gone, or was never given out. */
void file_closed(uint64_t badge);

/* Take the position for the calling fiber alone, and give it back. */
void file_take_pos(struct open_file *file);
void file_give_pos(struct open_file *file);

/* Forget all vnodes, before the file systems are unmounted. */
void files_forget(void);

#endif
