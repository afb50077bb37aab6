/* Limits of jobs as people write them (job_limits.h). */
#include <rugo/job_limits.h>

#include <stdlib.h>
#include <string.h>

const char *const job_kind_names[JOB_KINDS] = { "memory",  "processes", "threads",
                                                "handles", "sessions",  "messages" };

uint32_t job_kind_find(const char *name)
{
    uint32_t kind = 0;

    while (kind < JOB_KINDS && strcmp(job_kind_names[kind], name) != 0)
        kind++;
    return kind;
}

bool job_amount_read(const char *text, uint32_t kind, uint64_t memory, uint64_t *amount)
{
    static const char units[] = "KMG";
    char *end;
    uint64_t n = strtoull(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;

    if (strcmp(text, "none") == 0) {
        *amount = JOB_UNLIMITED;
        return true;
    }
    if (*text < '0' || *text > '9' || n > UINT32_MAX)
        return false;
    *amount = n;
    if (*end == '\0')
        return true;
    if (end[1] != '\0' || kind != JOB_MEMORY)
        return false;
    if (*end == '%')
        *amount = memory / 100 * n;
    else if (unit != NULL)
        *amount = n << (10 * (unit - units + 1));
    return *end == '%' ? n <= 100 : unit != NULL;
}
