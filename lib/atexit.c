/* Functions to be called by exit, last registered first. */
#include <rugo/cdefs.h>
#include <stdlib.h>

enum { ATEXIT_MAX = 64 };

static void (*functions[ATEXIT_MAX])(void);
static int count;

void __atexit_run(void);

int atexit(void (*fn)(void))
{
    if (count == ATEXIT_MAX)
        return -1;
    functions[count++] = fn;
    return 0;
}

void __atexit_run(void)
{
    while (count > 0)
        functions[--count]();
}
