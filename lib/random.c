/* Random bytes, from the kernel's generator. */
#include <rugo/random.h>

#include "error.h"

#include <rugo/syscall.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

void random_bytes(void *buf, size_t n)
{
    if (sys_random(buf, n) < 0)
        abort(); /* buf is no memory of ours */
}

int getentropy(void *buf, size_t n)
{
    if (n > 256)
        return (int)to_errno(-EIO);
    return sys_random(buf, n) < 0 ? (int)to_errno(-EFAULT) : 0;
}

void arc4random_buf(void *buf, size_t n)
{
    random_bytes(buf, n);
}

uint32_t arc4random(void)
{
    uint32_t r;

    random_bytes(&r, sizeof r);
    return r;
}

/* What is left of 2^32 when it is cut into pieces of `bound` is thrown away, so that all are as likely. */
uint32_t arc4random_uniform(uint32_t bound)
{
    uint32_t least, r;

    if (bound < 2)
        return 0;
    least = -bound % bound;
    do
        r = arc4random();
    while (r < least);
    return r % bound;
}
