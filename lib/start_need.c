/* A handle that a utility cannot do without. */
#include <rugo/start.h>

#include <stdio.h>
#include <stdlib.h>

handle_t start_need(uint32_t kind, const char *what)
{
    handle_t h = start_handle(kind);

    if (h == HANDLE_NONE) {
        fprintf(stderr, "%s: this program was not given %s\n", program_name, what);
        exit(EXIT_FAILURE);
    }
    return h;
}
