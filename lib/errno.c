/* The calling thread's errno. */
#include <errno.h>

#include "tcb.h"

int *__errno_location(void)
{
    return &tcb_self()->err;
}
