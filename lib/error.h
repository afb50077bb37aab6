/* From negative results to errno. */
#ifndef LIB_ERROR_H
#define LIB_ERROR_H

#include <errno.h>

/* result if it is not negative, else -1 with errno set. */
static inline long to_errno(long result)
{
    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}

#endif
