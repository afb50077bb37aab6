/* From a path to the directory session and the text that is sent to it. */
#ifndef LIB_WHERE_H
#define LIB_WHERE_H

#include <limits.h>
#include <rugo/abi.h>

struct where {
    handle_t dir;    /* session of the directory that rel starts from */
    const char *rel; /* never empty, no leading '/', at most PROTO_STRING_MAX bytes */
    int walked;      /* dir was opened for this and is closed by where_end */
    char text[PATH_MAX];
};

/*
 * Makes path absolute (working directory), then relative to the session on "/". A path too long
 * for one message is cleaned of ".." as text and its front walked, directory by directory. 0 or
 * negative errno; where_end only after 0.
 */
int where_begin(struct where *w, const char *path);
void where_end(struct where *w);

/* The working directory; begins with '/'. */
const char *cwd_text(void);

#endif
