/* The table of handles this process was started with. */
#include <rugo/start.h>

#include <stdio.h>
#include <stdlib.h>

const struct start_handle *start_table(size_t *n)
{
    *n = getauxval(AT_RUGO_NHANDLES);
    return (const struct start_handle *)getauxval(AT_RUGO_HANDLES);
}

handle_t start_handle_nth(uint32_t kind, size_t n)
{
    size_t count;
    const struct start_handle *table = start_table(&count);

    for (size_t i = 0; table != NULL && i < count; i++)
        if (table[i].kind == kind && n-- == 0)
            return table[i].handle;
    return HANDLE_NONE;
}

handle_t start_handle(uint32_t kind)
{
    return start_handle_nth(kind, 0);
}
